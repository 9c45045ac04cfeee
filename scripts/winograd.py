#!/usr/bin/env python3
"""Derives the transforms of minimal filtering F(m, r) in exact fractions and writes them as C.

    scripts/winograd.py > src/backends/onednn/winograd_transforms.h

For a correlation of n = m + r - 1 inputs d with r weights g (Toom and Cook; Winograd 1980; Lavin and Gray 2015):
    y (m) = A^T [(G g) * (B^T d)]
With n - 1 points a_j and infinity, f_j = prod over l != j of (a_j - a_l):
    A^T[i][j] = a_j^i           (infinity: 1 in the last row)
    G[j][k]   = a_j^k / f_j     (infinity: 1 in the last column)
    B^T[j]    = the coefficients of prod over l != j of (x - a_l)   (infinity: over all l)
The backward pass is the adjoint: dM = A dy A^T, dd = B dV B^T, dg = G^T dU G; so each matrix is written both ways.
Points come in pairs +a, -a. Their rows differ only in the sign of the odd (or even) part, so a pair shares both parts.
"""
import textwrap
from fractions import Fraction as F

FILTERS = {"f4x5": (4, 5, [0, 1, -1, 2, -2, F(1, 2), F(-1, 2)]), "f4x3": (4, 3, [0, 1, -1, 2, -2])}


def product(roots):
    c = [F(1)]
    for r in roots:
        c = [(c[i - 1] if i else 0) - r * (c[i] if i < len(c) else 0) for i in range(len(c) + 1)]
    return c


def derive(m, r, points):
    points = [F(a) for a in points]
    n = m + r - 1
    f = [F(1)] * (n - 1)
    for j, a in enumerate(points):
        for l, b in enumerate(points):
            f[j] *= a - b if l != j else 1
    at = [[a ** i for a in points] + [F(i == m - 1)] for i in range(m)]
    g = [[a ** k / f[j] for k in range(r)] for j, a in enumerate(points)] + [[F(k == r - 1) for k in range(r)]]
    bt = [product(points[:j] + points[j + 1:]) + [F(0)] for j in range(n - 1)] + [product(points)]
    return at, g, bt


def check(m, r, points):
    """The identity is bilinear: it holds if it holds for every pair of unit vectors."""
    at, g, bt = derive(m, r, points)
    for i in range(m):
        for k in range(r):
            for d in range(m + r - 1):
                assert sum(at[i][j] * g[j][k] * bt[j][d] for j in range(m + r - 1)) == (d == i + k)


def term(c, x):
    if abs(c) == 1:
        return ("-" if c < 0 else "") + x
    exact = float(c)
    return "%s * %s" % (repr(exact) + "f" if F(exact) == c else "(float)(%d.0 / %d)" % (c.numerator, c.denominator), x)


def total(terms):
    terms = sorted((t for t in terms if t[0]), key=lambda t: t[0] < 0)  # a positive term first: no leading minus
    return " + ".join(term(c, x) for c, x in terms).replace("+ -", "- ") if terms else "x[0] - x[0]"


def paired(points):
    """[(j, j + 1)] of the points +a, -a."""
    return [(j, j + 1) for j in range(1, len(points), 2)]


def statement(target, terms):
    """`target = terms;`, broken into lines if it is long."""
    return textwrap.wrap("%s = %s;" % (target, total(terms)), 116, subsequent_indent="    ", break_long_words=False)


def combined(row, columns, name="x[%d]"):
    return [(row[c], name % c) for c in columns]


def emit_outputs_paired(matrix, pairs):
    """Rows j and k of a pair are s + t and s - t."""
    columns = range(len(matrix[0]))
    for n, (j, k) in enumerate(pairs):
        same = [c for c in columns if matrix[j][c] == matrix[k][c]]
        other = [c for c in columns if c not in same]
        assert all(matrix[j][c] == -matrix[k][c] for c in other)
        yield from statement("vec s%d" % n, combined(matrix[j], same))
        yield from statement("vec t%d" % n, combined(matrix[j], other))
        yield "y[%d] = s%d + t%d;" % (j, n, n)
        yield "y[%d] = s%d - t%d;" % (k, n, n)
    for j in sorted(set(range(len(matrix))) - {j for pair in pairs for j in pair}):
        yield from statement("y[%d]" % j, combined(matrix[j], columns))


def emit_inputs_paired(matrix, pairs):
    """Columns j and k of a pair differ at most in sign: they occur as x[j] + x[k] or x[j] - x[k]."""
    single = sorted(set(range(len(matrix[0]))) - {j for pair in pairs for j in pair})
    for n, (j, k) in enumerate(pairs):
        yield "vec s%d = x[%d] + x[%d], t%d = x[%d] - x[%d];" % (n, j, k, n, j, k)
    for i, row in enumerate(matrix):
        assert all(abs(row[j]) == abs(row[k]) for j, k in pairs)
        halves = [(row[j], ("s%d" if row[j] == row[k] else "t%d") % n) for n, (j, k) in enumerate(pairs)]
        yield from statement("y[%d]" % i, combined(row, single) + halves)


def emit(name, matrix, lines):
    """A linear map y = matrix x."""
    print("\nstatic inline __attribute__((always_inline)) void %s(const vec x[%d], vec y[%d])" %
          (name, len(matrix[0]), len(matrix)))
    print("{\n" + "".join("    %s\n" % line for line in lines) + "}")


def main():
    transpose = lambda matrix: [list(row) for row in zip(*matrix)]
    print("/* Made by scripts/winograd.py: the transforms of minimal filtering, one dimension, of a type `vec`. */")
    for name, (m, r, points) in FILTERS.items():
        check(m, r, points)
        at, g, bt = derive(m, r, points)
        pairs = paired(points)
        for suffix, rows_paired in (("bt", bt), ("g", g), ("a", transpose(at))):
            emit(name + "_" + suffix, rows_paired, emit_outputs_paired(rows_paired, pairs))
        for suffix, columns_paired in (("b", transpose(bt)), ("gt", transpose(g)), ("at", at)):
            emit(name + "_" + suffix, columns_paired, emit_inputs_paired(columns_paired, pairs))


main()
