"""PTX, the assembly that NVIDIA's compiler makes of CUDA sources, as C++ for the host.

    python ptx.py kernel.ptx kernel.cpp

So what a source alone cannot show is run as well: inline assembly, what is written for a GPU only,
the compiler's own work. A register becomes a variable, a label a label, an instruction a statement;
what instructions do is in ptx.h. Only those are known that our kernels and CuPy's need.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

Tokens = Sequence[str]

TOKEN = re.compile(r"[%$.\w]+|\S")
COMMENT = re.compile(r"//[^\n]*")
SKIPPED = ("vprintf", "__assertfail")  # functions of the device, which are in ptx.h

TYPES = {"pred": "bool", "f16": "_Float16", "f32": "float", "f64": "double"}
TYPES |= {f"{kind}{n}": f"uint{n}_t" for kind in "bu" for n in (8, 16, 32, 64)}
TYPES |= {f"s{n}": f"int{n}_t" for n in (8, 16, 32, 64)}

INDICES = {"tid": "threadIdx", "ntid": "blockDim", "ctaid": "blockIdx", "nctaid": "gridDim"}
SPECIAL = {"%laneid": "(uint32_t)host::lane()", "%clock64": "(uint64_t)clock64()"} | {
    f"%{register}.{axis}": f"(uint32_t){variable}.{axis}"
    for register, variable in INDICES.items()
    for axis in "xyz"
}

COMPARED = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
COMPARED |= {"lo": "<", "ls": "<=", "hi": ">", "hs": ">="}  # of numbers without a sign
JOINED = {"and": "&&", "or": "||", "xor": "!="}
ROUNDED = {"rni", "rzi", "rmi", "rpi"}  # to a whole number
DIRECTED = {"rz": "FE_TOWARDZERO", "rm": "FE_DOWNWARD", "rp": "FE_UPWARD"}
# all that tensor cores are asked for: a shape, the factors' type, and its number in ptx.h
TENSOR_CORES = {
    "m16n8k8.row.col.f32.tf32.tf32.f32": 1,
    "m16n8k8.row.col.f32.f16.f16.f32": 3,
    "m16n8k16.row.col.f32.f16.f16.f32": 3,
    "m16n8k16.row.col.f32.bf16.bf16.f32": 4,
}
# functions of numbers of one type, by their name in ptx.h
FUNCTIONS = {
    "abs": "absolute",
    "add": "sum",
    "and": "both",
    "bfe": "field",
    "bfi": "with_field",
    "brev": "reversed",
    "clz": "leading_zeros",
    "copysign": "with_sign",
    "cos": "cosine",
    "div": "quotient",
    "ex2": "power_of_two",
    "fma": "fused",
    "lg2": "logarithm",
    "mad": "fused",
    "max": "greatest",
    "min": "least",
    "mul": "product",
    "neg": "negative",
    "not": "inverse",
    "or": "either",
    "popc": "ones",
    "prmt": "permuted",
    "rcp": "reciprocal",
    "rem": "remainder",
    "rsqrt": "reciprocal_root",
    "shl": "shifted_left",
    "shr": "shifted_right",
    "sin": "sine",
    "sqrt": "root",
    "sub": "difference",
    "tanh": "tangent",
    "xor": "one",
}
# of which these operands have 32 bits without a sign, and of these the result
NARROW = {"bfe": (1, 2), "bfi": (2, 3), "shl": (1,), "shr": (1,)}
COUNTS = ("clz", "popc")


class Unknown(Exception):
    """What this cannot translate."""


class Parameter(NamedTuple):
    name: str
    kind: str  # f: a floating-point number, i: any other, s: a structure, p: a pointer
    size: int  # bytes


class Module:
    """The C++ of a text of PTX: a function for each of its kernels, and what launches it."""

    def __init__(self, ptx: str) -> None:
        self._tokens = TOKEN.findall(COMMENT.sub("", ptx))
        self._at = 0
        self._shared = 0  # bytes
        self._unbounded = False  # a launch says how many more
        self._names: dict[str, str] = {}  # what is written for the address of a variable
        self._pointers: set[str] = set()  # parameters that are addresses of global memory
        self._origins: dict[str, str] = {}  # of a kernel's registers, if they are parameters
        self._lines: list[str] = []
        self._entries: list[str] = []
        while self._at < len(self._tokens):
            self._item()
        self.text = "\n".join(['#include "ptx.h"', *self._lines, *self._entries, ""])

    # -- declarations ------------------------------------------------------------------------------

    def _next(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1]

    def _until(self, end: str) -> list[str]:
        first = self._at
        self._at = self._tokens.index(end, first) + 1
        return self._tokens[first : self._at - 1]

    def _item(self) -> None:
        token = self._next()
        if token in (".version", ".target", ".address_size"):
            self._next()
        elif token == ".func":
            self._function()
        elif token == ".entry":
            self._kernel()
        elif token in (".global", ".const", ".shared"):
            self._variable(token, "static ")
        elif token not in (".visible", ".weak", ".extern", ".common"):
            raise Unknown(f"{token} in a module")

    def _variable(self, space: str, storage: str = "") -> None:
        tokens, values = self._until(";"), ""
        if "=" in tokens:
            split = tokens.index("=")
            tokens, values = tokens[:split], "".join(tokens[split + 1 :])
        align = 0
        if tokens[0] == ".align":
            align, tokens = int(tokens[1]), tokens[2:]
        kind, name, *bounds = tokens
        number, align = TYPES[kind[1:]], align or _size(kind)
        count = int(bounds[1]) if len(bounds) == 3 else 1
        if space == ".shared":
            if bounds == ["[", "]"]:
                self._unbounded = True
                self._names[name] = "(uint64_t)ptx::declared"
                return
            first = -(-self._shared // align) * align
            self._shared = first + count * _size(kind)
            self._names[name] = f"(uint64_t){first}"
            return
        if re.search(r"[^-\w{},]", values):
            raise Unknown(f"{name} = {values}")
        start = f" = {{{values.strip('{}')}}}" if values else ""
        self._lines.append(f"alignas({align}) {storage}{number} {_own(name)}[{count}]{start};")
        self._names[name] = f"(uint64_t){_own(name)}"

    def _parameters(self) -> list[Parameter]:
        if self._tokens[self._at] != "(":
            return []
        found = []
        for tokens in _operands(self._until(")")[1:]):
            if ".align" in tokens:
                place = tokens.index(".align")
                del tokens[place : place + 2]
            kind, name, *bounds = (t for t in tokens if t not in (".param", ".ptr", ".global"))
            size = _size(kind) * (int(bounds[1]) if bounds else 1)
            letter = "s" if bounds else "f" if kind[1] == "f" else "i"
            found.append(Parameter(name, letter, size))
            self._names[name] = f"(uint64_t){_own(name)}"
        return found

    def _function(self) -> None:
        results = self._parameters()
        name = self._next()
        given = ", ".join(f"char* {_own(p.name)}" for p in [*results, *self._parameters()])
        end = self._next()
        if name not in SKIPPED:
            self._lines.append(f"static void {_own(name)}({given}) {end}")
            if end == "{":
                self._lines.append("bool carry;")
                self._block()

    def _kernel(self) -> None:
        name = self._next()
        parameters = self._parameters()
        most = 1024  # threads
        while (token := self._next()) != "{":
            if token == ".maxntid":
                most = int(self._next())
        self._lines.append(f"static void {_own(name)}(void** arguments) {{")
        for i, parameter in enumerate(parameters):
            self._lines.append(f"char* {_own(parameter.name)} = (char*)arguments[{i}];")
        self._lines.append("bool carry;")
        self._origins.clear()
        of_module, place = self._shared, len(self._lines)
        self._block()
        self._lines.insert(place, f"ptx::declare({self._shared}, {str(self._unbounded).lower()});")
        self._shared = of_module  # kernels do not run at once
        kinds = "".join(
            f"{'p' if p.name in self._pointers else p.kind}{p.size} " for p in parameters
        )
        # in kernels of CuPy, which are no templates, threads return before others meet
        returned_pass = str(not name.startswith("_Z")).lower()
        self._entries += [
            f"ENTRY const char* launch_{name}(unsigned* g, unsigned* b, void** a)"
            f" {{ return ptx::launch({_own(name)}, {most}, {returned_pass}, g, b, a); }}",
            f'ENTRY const char* signature_{name}() {{ return "{kinds}"; }}',
        ]

    # -- code --------------------------------------------------------------------------------------

    def _block(self) -> None:
        """Statements to the closing brace."""
        while (token := self._next()) != "}":
            if token == "{":
                self._lines.append("{")
                self._block()
            elif token == ".reg":
                self._registers(self._until(";"))
            elif token in (".param", ".local", ".shared"):
                self._variable(token)
            elif token == ".pragma":
                self._until(";")
            elif self._tokens[self._at] == ":":
                self._next()
                self._lines.append(f"{_own(token)}:;")
            else:
                self._lines.append(self._statement([token, *self._until(";")]))
        self._lines.append("}")

    def _registers(self, tokens: Tokens) -> None:
        kind, *names = tokens
        if "<" in names:  # %r<3>: %r0, %r1, %r2
            names = [f"{names[0]}{i}" for i in range(int(names[2]))]
        listed = ", ".join(_own(name) for name in names if name != ",")
        self._lines.append(f"{TYPES[kind[1:]]} {listed};")

    def _statement(self, tokens: Tokens) -> str:
        condition = ""
        if tokens[0] == "@":
            negated = tokens[1] == "!"
            condition = f"if ({'!' * negated}{_own(tokens[1 + negated])}) "
            tokens = tokens[2 + negated :]
        name, *modifiers = tokens[0].split(".")
        operands = list(_operands(tokens[1:]))
        translate = getattr(self, f"_{name}", None)
        if "cc" in modifiers or name in ("addc", "subc", "madc"):
            text = self._carried(name, modifiers, operands)
        elif translate is not None:
            text = translate(modifiers, operands)
        elif name in FUNCTIONS:
            text = self._computed(name, modifiers, operands)
        else:
            raise Unknown(" ".join(tokens))
        return f"{condition}{{ {text} }}"

    def _bits(self, operand: Tokens) -> str:
        """What is written for an operand."""
        match operand:
            case ["-", number]:
                return f"-{number}ll"
            case ["!", register]:
                return f"!{_own(register)}"
            case [name, "+", offset]:
                return f"({self._names[name]} + {offset})"
            case [token] if re.fullmatch("0[fF][0-9a-fA-F]{8}", token):
                return f"0x{token[2:]}u"
            case [token] if re.fullmatch("0[dD][0-9a-fA-F]{16}", token):
                return f"0x{token[2:]}ull"
            case [token] if token[0].isdigit():
                return f"{token.rstrip('U')}ll"
            case [token]:
                return SPECIAL.get(token) or self._names.get(token) or _own(token)
        raise Unknown(" ".join(operand))

    def _value(self, kind: str, operand: Tokens) -> str:
        return f"as<{TYPES[kind]}>({self._bits(operand)})"

    def _put(self, kind: str, operand: Tokens, value: str) -> str:
        return f"put<{TYPES[kind]}>({_own(operand[0])}, {value});"

    def _address(self, modifiers: Tokens, operand: Tokens) -> str:
        name, *offset = operand[1:-1]
        place = "shared" if "shared" in modifiers else "anywhere"
        return f"ptx::{place}({self._bits([name])} + {''.join(offset).lstrip('+') or '0'})"

    def _ld(self, modifiers: Tokens, operands: Sequence[Tokens]) -> str:
        kind, to = modifiers[-1], _elements(operands[0])
        if "param" in modifiers and len(operands[1]) == 3:
            self._origins[operands[0][0]] = operands[1][1]
        loaded = f"ptx::load<{TYPES[kind]}, {len(to)}>({self._address(modifiers, operands[1])})"
        puts = [self._put(kind, one, f"loaded.numbers[{i}]") for i, one in enumerate(to)]
        return " ".join([f"auto loaded = {loaded};", *puts])

    def _st(self, modifiers: Tokens, operands: Sequence[Tokens]) -> str:
        kind, given = modifiers[-1], _elements(operands[1])
        numbers = ", ".join(self._value(kind, one) for one in given)
        pack = f"ptx::Pack<{TYPES[kind]}, {len(given)}>{{{numbers}}}"
        return f"ptx::store({self._address(modifiers, operands[0])}, {pack});"

    def _mov(self, modifiers: Tokens, operands: Sequence[Tokens]) -> str:
        kind, (to, given) = modifiers[-1], operands
        parts = _elements(to if to[0] == "{" else given)
        if len(parts) == 1:
            return self._put(kind, to, self._value(kind, given))
        bits = 8 * _size(kind) // len(parts)
        if to[0] == "{":
            text = f"uint64_t whole = {self._value(kind, given)};"
            for i, part in enumerate(parts):
                if part != ["_"]:
                    text += " " + self._put(f"b{bits}", part, f"whole >> {i * bits}")
            return text
        shifted = (
            f"(uint64_t){self._value(f'b{bits}', part)} << {i * bits}"
            for i, part in enumerate(parts)
        )
        return self._put(kind, to, " | ".join(shifted))

    def _cvta(self, modifiers: Tokens, operands: Sequence[Tokens]) -> str:
        kind, (to, given) = modifiers[-1], operands
        address = self._value(kind, given)
        if "global" in modifiers and given[0] in self._origins:
            self._pointers.add(self._origins[given[0]])
        if "shared" in modifiers:
            address = f"ptx::{'to' if 'to' in modifiers else 'of'}_shared({address})"
        return self._put(kind, to, address)

    def _cvt(self, modifiers: Tokens, operands: Sequence[Tokens]) -> str:
        target, origin = modifiers[-2:]
        rest = set(modifiers[:-2])
        if target in ("f16x2", "bf16x2"):
            high, low = (self._value("f32", o) for o in operands[1:])
            kind = TENSOR_CORES[f"m16n8k16.row.col.f32.{target[:-2]}.{target[:-2]}.f32"]
            return self._put("b32", operands[0], f"host::halves<{kind}>({low}, {high})")
        value = self._value(origin, operands[1])
        if origin == "f16":
            value, origin = f"(float){value}", "f32"
        if "ftz" in rest and origin == "f32":
            value = f"ptx::flushed({value})"
        for rounding in rest & ROUNDED:
            value = f"ptx::{rounding}({value})"
        if origin[0] == "f" and target[0] != "f":
            value = f"ptx::saturated<{TYPES[target]}>({value})"
        return self._finished(target, rest - ROUNDED, operands[0], f"({TYPES[target]}){value}")

    def _setp(self, modifiers: Tokens, operands: Sequence[Tokens]) -> str:
        compare, *rest, kind = modifiers
        a, b = (self._value(kind, o) for o in operands[1:3])
        if "ftz" in rest:
            a, b = f"ptx::flushed({a})", f"ptx::flushed({b})"
            rest.remove("ftz")
        unordered = f"ptx::unordered({a}, {b})"
        if compare in ("nan", "num"):
            result = unordered if compare == "nan" else f"!{unordered}"
        elif kind[0] == "f" and len(compare) == 3:  # equ, neu, ...
            result = f"({unordered} || {a} {COMPARED[compare[:2]]} {b})"
        elif kind[0] == "f" and compare == "ne":
            result = f"(!{unordered} && {a} != {b})"
        else:
            result = f"({a} {COMPARED[compare]} {b})"
        if rest:
            result += f" {JOINED[rest[0]]} {self._bits(operands[3])}"
        if "|" in operands[0]:
            raise Unknown("a comparison with two results")
        return self._put("pred", operands[0], result)

    def _selp(self, modifiers: Tokens, operands: Sequence[Tokens]) -> str:
        a, b = (self._value(modifiers[-1], o) for o in operands[1:3])
        return self._put(modifiers[-1], operands[0], f"{_own(operands[3][0])} ? {a} : {b}")

    def _bra(self, modifiers: Tokens, operands: Sequence[Tokens]) -> str:
        return f"goto {_own(operands[0][0])};"

    def _ret(self, modifiers: Tokens, operands: Sequence[Tokens]) -> str:
        return "return;"

    def _trap(self, modifiers: Tokens, operands: Sequence[Tokens]) -> str:
        return "__trap();"

    def _call(self, modifiers: Tokens, operands: Sequence[Tokens]) -> str:
        (name,) = (o[0] for o in operands if o[0] != "(")
        given = ", ".join(f"(char*){_own(t)}" for o in operands for t in o[1:-1] if t != ",")
        return f"{f'ptx::{name}' if name in SKIPPED else _own(name)}({given});"

    def _bar(self, modifiers: Tokens, operands: Sequence[Tokens]) -> str:
        return "__syncwarp();" if "warp" in modifiers else "__syncthreads();"

    _barrier = _bar

    def _membar(self, modifiers: Tokens, operands: Sequence[Tokens]) -> str:
        return "__threadfence();"

    _fence = _membar

    def _atom(self, modifiers: Tokens, operands: Sequence[Tokens]) -> str:
        change, kind = modifiers[-2:]
        to, address, *values = operands
        given = "".join(f", {self._value(kind, v)}" for v in values)
        old = f"ptx::atomic_{change}<{TYPES[kind]}>({self._address(modifiers, address)}{given})"
        return f"{old};" if to == ["_"] else self._put(kind, to, old)

    def _red(self, modifiers: Tokens, operands: Sequence[Tokens]) -> str:
        return self._atom(modifiers, [["_"], *operands])

    def _shfl(self, modifiers: Tokens, operands: Sequence[Tokens]) -> str:
        _, mode, kind = modifiers
        value, lane, limits = (self._value("b32", o) for o in operands[1:4])
        to, *inside = operands[0][::2]
        text = f"auto found = ptx::shuffled('{mode[0]}', {value}, {lane}, {limits});"
        text += self._put(kind, [to], "found.value")
        return text + (self._put("pred", inside, "found.inside") if inside else "")

    def _vote(self, modifiers: Tokens, operands: Sequence[Tokens]) -> str:
        _, mode, kind = modifiers
        votes = f"__ballot_sync(~0u, {self._bits(operands[1])})"
        asked = {"ballot": votes, "any": f"{votes} != 0", "all": f"{votes} == ptx::present()"}
        return self._put(kind, operands[0], asked[mode])

    def _activemask(self, modifiers: Tokens, operands: Sequence[Tokens]) -> str:
        return self._put("b32", operands[0], "ptx::present()")

    def _bfind(self, modifiers: Tokens, operands: Sequence[Tokens]) -> str:
        function = "to_highest" if "shiftamt" in modifiers else "highest"
        value = self._value(modifiers[-1], operands[1])
        return self._put("u32", operands[0], f"ptx::{function}({value})")

    def _shf(self, modifiers: Tokens, operands: Sequence[Tokens]) -> str:
        low, high, by = (self._value("b32", o) for o in operands[1:])
        left, wrap = (str(m in modifiers).lower() for m in ("l", "wrap"))
        return self._put("b32", operands[0], f"ptx::funnel({low}, {high}, {by}, {left}, {wrap})")

    def _mma(self, modifiers: Tokens, operands: Sequence[Tokens]) -> str:
        """A thread has 4 sums; of the factors 4 and 2 words, or 2 and 1, the others being 0."""
        kind = TENSOR_CORES[".".join(modifiers[2:])]
        to, *given = (_elements(o) for o in operands)
        a, b, sums = (
            ", ".join(self._value(t, o) for o in some)
            for t, some in zip(("b32", "b32", "f32"), given, strict=True)
        )
        text = f"unsigned a[4] = {{{a}}}, b[2] = {{{b}}}; float sums[] = {{{sums}}};"
        text += f" host::mma_of_words<{kind}>(sums, a, b);"
        return text + "".join(self._put("f32", o, f"sums[{i}]") for i, o in enumerate(to))

    def _computed(self, name: str, modifiers: Tokens, operands: Sequence[Tokens]) -> str:
        kind, rest = modifiers[-1], set(modifiers[:-1])
        target, function = kind, FUNCTIONS[name]
        narrow = NARROW.get(name, ())
        values = [
            self._value("u32" if i in narrow else kind, o) for i, o in enumerate(operands[1:])
        ]
        if "ftz" in rest:
            values = [f"ptx::flushed({value})" for value in values]
        if name in COUNTS:
            target = "u32"
        if "hi" in rest:
            function += "_high"
        if "wide" in rest:
            target = f"{kind[0]}{16 * _size(kind)}"
            function += "_wide"
            values[2:] = [self._value(target, o) for o in operands[3:]]
        text = f"ptx::{function}({', '.join(values)})"
        for direction in rest & DIRECTED.keys():
            exact = f"ptx::{function}<{TYPES[kind]}>"
            text = f"ptx::rounded({DIRECTED[direction]}, {exact}, {', '.join(values)})"
        rest -= {"hi", "lo", "wide", "approx", "full", *DIRECTED}
        return self._finished(target, rest, operands[0], text)

    def _carried(self, name: str, modifiers: Tokens, operands: Sequence[Tokens]) -> str:
        """A part of a sum of more bits than a register has."""
        kind = modifiers[-1]
        a, b, *rest = (self._value(kind, o) for o in operands[1:])
        if rest:  # a product and a number
            a, b = f"ptx::product{'_high' * ('hi' in modifiers)}({a}, {b})", rest[0]
        function = "subtracted" if name.startswith("sub") else "added"
        given = "carry" if name.endswith("c") else "false"
        text = f"auto found = ptx::{function}({a}, {b}, {given});"
        text += self._put(kind, operands[0], "found.value")
        return text + ("carry = found.carry;" if "cc" in modifiers else "")

    def _finished(self, kind: str, modifiers: set[str], to: Tokens, value: str) -> str:
        """A result into its register, with what modifiers do to it."""
        if modifiers - {"rn", "sat", "ftz"} or ("sat" in modifiers and kind[0] != "f"):
            raise Unknown(f"modifiers {', '.join(sorted(modifiers))} of {value}")
        if "sat" in modifiers:
            value = f"ptx::to_unit({value})"
        if "ftz" in modifiers and kind == "f32":
            value = f"ptx::flushed({value})"
        return self._put(kind, to, value)


def _own(name: str) -> str:
    """A name as C++ takes it, and as nothing else is called."""
    return "own" + re.sub(r"\W", "_", name)


def _size(kind: str) -> int:
    """The bytes of a type."""
    return int(re.sub(r"\D", "", kind)) // 8


def _operands(tokens: Tokens) -> Iterator[list[str]]:
    """What stands between commas that are in no brackets."""
    depth, own = 0, list[str]()
    for token in tokens:
        depth += (token in "{[(") - (token in "}])")
        if token == "," and not depth:
            yield own
            own = []
        else:
            own.append(token)
    if own:
        yield own


def _elements(operand: Tokens) -> list[list[str]]:
    """A vector's elements, or the number itself."""
    return list(_operands(operand[1:-1])) if operand[0] == "{" else [list(operand)]


if __name__ == "__main__":
    source, result = map(Path, sys.argv[1:])
    result.write_text(Module(source.read_text(encoding="latin-1")).text)
