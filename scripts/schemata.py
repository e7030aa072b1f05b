# SPDX-License-Identifier: GPL-2.0-only
"""Many mutations in one kernel, of which it has the one that "iommu_dirty_mutant=N" names.

Before a function that mutants change goes a copy for each, with that change. The function
itself begins with a choice:

	if (unlikely(iommu_dirty_mutant == N))
		return NAME__mutN(...);

All of a mutant's functions have its N. What calls one of them, also from inside a copy, gets
the copy. With the number CONTROL each of these functions runs a copy that is not changed: what
a test notices then is the copying.

This knows C in the kernel's style: a function's body is between braces in column 0. What else a
mutant changes is Unfit for this. The compiler's messages about a copy name mutants/NAME.patch
as the file.
"""
import re

PARAMETER = 'iommu_dirty_mutant'
CONTROL = -1
SWITCH = f'''// SPDX-License-Identifier: GPL-2.0-only
#include <linux/cache.h>
#include <linux/export.h>
#include <linux/moduleparam.h>

extern int {PARAMETER};
int {PARAMETER} __ro_after_init;
EXPORT_SYMBOL_GPL({PARAMETER});
core_param({PARAMETER}, {PARAMETER}, int, 0);
'''
ATTRIBUTE = re.compile(r'__(printf|scanf|must_hold|acquires|releases|cond_acquires|attribute__|'
                       r'aligned|section|alloc_size|assume_aligned)$')
LINKAGE = re.compile(r'\b(static|extern|inline|__inline|__always_inline|noinline|__weak|'
                     r'asmlinkage|__maybe_unused)\b\s*')


class Unfit(Exception):
    """It cannot be a choice inside a function."""


class Function:
    def __init__(self, lines, first, brace, end):
        self.line = first + 1
        self.header = ''.join(lines[first:brace])
        self.body = ''.join(lines[brace + 1:end + 1])   # with the closing brace
        self.body_line = brace + 2

    def signature(self):
        """What is before the name, the name, and its parameters and what follows."""
        groups, depth = [], 0
        for found in re.finditer(r'\w*\s*\(|\)', self.header):
            if found[0] == ')':
                depth -= 1
                if not depth and groups:
                    groups[-1][1] = found.start()
                continue
            if not depth:
                groups.append([found, None])
            depth += 1
        named = [(f, end) for f, end in groups if not ATTRIBUTE.match(f[0][:-1].strip())]
        if '#' in self.header or len(named) != 1 or named[0][1] is None:
            raise Unfit('a function whose name is not clear')
        found, end = named[0]
        name, before = found[0][:-1].strip(), self.header[:found.start()]
        if not name or not re.search(r'\w', before):
            raise Unfit('a function that a macro makes')
        return before, name, self.header[found.end():end], self.header[end:]

    def arguments(self):
        _, _, parameters, _ = self.signature()
        if not parameters.strip() or parameters.strip() == 'void':
            return ''
        names = []
        for parameter in split(parameters):
            found = (re.search(r'\(\s*\*\s*(\w+)\s*\)\s*\(', parameter) or
                     re.search(r'(\w+)\s*(\[[^]]*\]\s*)*$', parameter))
            if not found:
                raise Unfit('a function with "..." or a parameter of no name')
            names.append(found[1])
        return ', '.join(names)

    def is_void(self):
        before = self.signature()[0]
        return bool(re.search(r'\bvoid\b', before)) and '*' not in before

    def copy(self, number, body):
        """One that is never inlined: copies that call each other would multiply."""
        before, name, parameters, after = self.signature()
        if re.search(r'^\s*#\s*(define|undef)\b', self.body + body, re.M):
            raise Unfit('a function with a macro inside')
        forward = f'{self.header.rstrip()};\n' if re.search(rf'\b{name}\b', body) else ''
        return (f'extern int {PARAMETER};\n{forward}'
                f'static noinline __maybe_unused {LINKAGE.sub("", before)}'
                f'{copy_name(name, number)}({parameters}{after}{{\n{body}')

    def choice(self, number):
        call = f'{copy_name(self.signature()[1], number)}({self.arguments()});'
        call = f'{{ {call} return; }}' if self.is_void() else f'return {call}'
        return f'\tif (unlikely({PARAMETER} == {number}))\n\t\t{call}\n'


def copy_name(name, number):
    return f'{name}__mut{number}' if number != CONTROL else f'{name}__control'


def split(parameters):
    """At the commas that are not inside parentheses."""
    depth, parts = 0, ['']
    for c in parameters:
        depth += (c == '(') - (c == ')')
        if c == ',' and not depth:
            parts.append('')
        else:
            parts[-1] += c
    return parts


def parse(text):
    """A list of what is between functions (str), and of Functions, in turn."""
    lines = text.splitlines(keepends=True)
    pieces, done, i = [], 0, 0
    while i < len(lines):
        first = i
        if lines[i].rstrip() == '{':
            while first > done and of_header(lines[first - 1]):
                first -= 1
        end = next((j for j in range(i, len(lines)) if lines[j].rstrip() == '}'), None)
        if first == i or end is None:
            i += 1
            continue
        pieces += [''.join(lines[done:first]), Function(lines, first, i, end)]
        done = i = end + 1
    return pieces + [''.join(lines[done:])]


def of_header(line):
    line = line.strip()
    return line and line[0] not in '#/*' and line[-1] not in ';}\\' and not line.endswith('*/')


def changed(old, new):
    """The functions that a mutant changes: {index in the pieces: the new body}."""
    if len(old) != len(new):
        raise Unfit('it adds or removes a function')
    bodies = {}
    for i, (a, b) in enumerate(zip(old, new)):
        if isinstance(a, str):
            if a != b:
                raise Unfit('it changes what is outside of functions')
        elif a.header != b.header:
            raise Unfit("it changes a function's head")
        elif a.body != b.body:
            a.arguments()
            a.copy(CONTROL, b.body)
            bodies[i] = b.body
    return bodies


def fits(text, mutated):
    """Raises Unfit if that is no change for this, of a file."""
    changed(parse(text), parse(mutated))


def combine(path, text, mutants):
    """The file with all the mutants, {(number, name): its text with that one}, and the control."""
    pieces = parse(text)
    bodies = {m: changed(pieces, parse(new)) for m, new in mutants.items()}
    out = ''
    for i, piece in enumerate(pieces):
        if isinstance(piece, str):
            out += piece
            continue
        copies = [(*m, inside[i]) for m, inside in bodies.items() if i in inside]
        # A control that does not compile is the doing of all that change this function.
        label = ' '.join(name for _, name, _ in copies)
        if copies:
            copies.append((CONTROL, label, piece.body))
        for number, name, body in copies:
            out += f'#line 1 "{mark(name)}"\n{piece.copy(number, body)}'
        out += f'#line {piece.line} "{path}"\n{piece.header}{{\n' if copies else piece.header + '{\n'
        for number, name, _ in copies:
            out += f'#line 1 "{mark(name)}"\n{piece.choice(number)}'
        out += f'#line {piece.body_line} "{path}"\n{piece.body}' if copies else piece.body
    return out


def mark(names):
    return ' '.join(f'mutants/{name}.patch' for name in names.split())


def blamed(log):
    """The names of the mutants about which the compiler has errors in that log."""
    names = set()
    lines = log.splitlines()
    for i, line in enumerate(lines):
        if not re.search(r'\berror: ', line):
            continue
        first = i
        while first and re.search(r'In function|inlined from|In file included|^ +from ', lines[first - 1]):
            first -= 1
        end = i + 1
        while end < len(lines) and re.match(r' |.*\bnote: ', lines[end]):
            end += 1
        # The line itself, what it is in, what a macro in it comes from
        for about in (line, *lines[first:i], *lines[i + 1:end]):
            if found := re.findall(r'mutants/(\S+?)\.patch', about):
                names |= set(found)
                break
    return names
