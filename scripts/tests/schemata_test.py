#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What schemata.py makes of C: a program with many mutations has the one that it is told."""
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(SCRIPTS))
import schemata     # pylint: disable=wrong-import-position

CODE = '''#include <stdio.h>
#include <stdlib.h>

#define unlikely(x) (x)
#define noinline __attribute__((__noinline__))
#define __maybe_unused __attribute__((__unused__))
#define __must_hold(x)
#define __printf(a, b) __attribute__((__format__(printf, a, b)))

struct pair {
	int a, b;
};

/* Adds: not a function { */
static __always_inline int add(int a, const int b[2])
{
	return a + b[0];
}

static void
store(struct pair *p, int (*what)(int x, const int *y),
      int value)
	__must_hold(&p->a)
{
	if (!value) {
		p->a = 0;
		return;
	}
	p->a = what(value, &p->b);
}

const char *word(void)
{
	return "word";
}

static unsigned int depth(unsigned int n)
{
	return n ? 1 + depth(n - 1) : 0;
}

static __printf(1, 2) void tell(const char *text, ...)
{
	puts(text);
}

int main(int argc, char **argv)
{
	struct pair p = { 1, 2 };

	iommu_dirty_mutant = argc > 1 ? atoi(argv[1]) : 0;
	store(&p, add, 5);
	printf("%d %s %u\\n", p.a, word(), depth(3));
	tell("end");
	return 0;
}
'''
AS_IT_IS = '7 word 3\nend\n'


class Schemata(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.dir = Path(temporary.name)

    def broken(self, *changes):
        text = CODE
        for old, new in changes:
            self.assertEqual(text.count(old), 1, old)
            text = text.replace(old, new)
        return text

    def compile(self, mutants):
        text = schemata.combine('code.c', CODE, mutants)
        (self.dir / 'code.c').write_text(f'int {schemata.PARAMETER};\n#line 1 "code.c"\n{text}')
        run = subprocess.run(['gcc', '-Wall', '-o', 'code', 'code.c'], cwd=self.dir, check=False,
                             env={'PATH': '/usr/bin:/bin', 'LC_ALL': 'C'}, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return run.returncode, run.stdout

    def says(self, number):
        return subprocess.run([self.dir / 'code', str(number)], text=True, check=True,
                              stdout=subprocess.PIPE).stdout

    def test_each_number_is_its_mutation(self):
        mutants = {(1, 'minus'): self.broken(('a + b[0]', 'a - b[0]')),
                   (2, 'zero'): self.broken(('if (!value)', 'if (value)')),
                   (3, 'two-functions'): self.broken(('"word"', '"w"'), ('a + b[0]', 'a * b[0]')),
                   (4, 'recursion'): self.broken(('1 + depth', '2 + depth')),
                   (6, 'same-again'): self.broken(('a + b[0]', 'b[0]'))}
        self.assertEqual(self.compile(mutants), (0, ''))
        self.assertEqual([self.says(n) for n in (0, 1, 2, 3, 4, 5, 6, schemata.CONTROL)],
                         [AS_IT_IS, '3 word 3\nend\n', '0 word 3\nend\n', '10 w 3\nend\n',
                          '7 word 6\nend\n', AS_IT_IS, '2 word 3\nend\n', AS_IT_IS])

    def test_the_control_runs_a_copy(self):
        text = schemata.combine('code.c', CODE, {(1, 'w'): self.broken(('"word"', '"w"'))})
        self.assertIn('return word__control();', text)
        self.assertNotIn('add__control', text)

    def test_lines_of_the_code_are_where_they_were(self):
        mutants = {(1, 'minus'): self.broken(('a + b[0]', 'a - b[0]'))}
        text = schemata.combine('dir/code.c', CODE, mutants)
        file, line, lines = 'dir/code.c', 1, {}
        for content in text.splitlines():
            if content.startswith('#line '):
                _, line, file = content.split(' ', 2)
                file, line = file.strip('"'), int(line)
            else:
                lines.setdefault(file, {})[line] = content
                line += 1
        self.assertEqual(lines['dir/code.c'], dict(enumerate(CODE.splitlines(), 1)))

    def test_what_is_no_choice_in_a_function_does_not_fit(self):
        for old, new in (('int a, b;', 'int b, a;'), ('int value)', 'long value)'),
                         ('puts(text);', 'puts("");'), ('\n\treturn "word";', '\n#define A\n\treturn "w";'),
                         ('#define unlikely(x) (x)', '#define unlikely(x) (!(x))'),
                         ('int main', 'int more(void)\n{\n}\n\nint main')):
            with self.assertRaises(schemata.Unfit):
                schemata.fits(CODE, self.broken((old, new)))
        schemata.fits(CODE, self.broken(('"word"', '"w"')))

    def test_errors_name_the_mutant(self):
        mutants = {(1, 'good'): self.broken(('a + b[0]', 'a - b[0]')),
                   (2, 'bad-name'): self.broken(('1 + depth', 'nowhere + depth')),
                   (3, 'bad-type'): self.broken(('p->a = 0', 'p = 0.5')),
                   (4, 'a-warning'): self.broken(('"word"', '({ int unused; "word"; })'))}
        status, log = self.compile(mutants)
        self.assertNotEqual(status, 0)
        self.assertEqual(schemata.blamed(log), {'bad-name', 'bad-type'}, log)

    def test_errors_found_after_inlining_name_the_mutant(self):
        log = '''mutants/other.patch:4:2: warning: unused variable
In function 'f',
    inlined from 'g__mut3' at mutants/some-one.patch:7:9:
../include/linux/compiler_types.h:5:2: error: call to 'x' declared with attribute error
  510 |  _compiletime_assert(condition, msg, __compiletime_assert_, __COUNTER__)
mutants/later.patch:4:2: warning: unused variable
'''
        self.assertEqual(schemata.blamed(log), {'some-one'})


if __name__ == '__main__':
    unittest.main()
