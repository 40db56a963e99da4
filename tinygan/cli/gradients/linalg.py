"""Rows of the gradient table: products of vectors, matrices and batches of them."""

from functools import partial

import tinygan.ops as F
from tinygan.cli.gradients.table import normal, row

for left, right in (
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((3,), (3, 2)),
    ((2, 3), (3, 4)),
    ((5, 2, 3), (3,)),
    ((3,), (2, 3, 4)),
    ((5, 2, 3), (3, 4)),
    ((2, 3), (5, 3, 4)),
    ((4, 1, 2, 3), (5, 3, 2)),
):
    row("matmul", F.matmul, normal(*left), normal(*right))

for batch in ((), (4,), (2, 4)):
    row("linear", F.linear, normal(*batch, 3), normal(2, 3), normal(2))
row("linear", F.linear, normal(4, 3), normal(2, 3))

row("mm", F.mm, normal(2, 3), normal(3, 2))
row("bmm", F.bmm, normal(2, 2, 3), normal(2, 3, 2))
row("mv", F.mv, normal(2, 3), normal(3))
row("dot", F.dot, normal(3), normal(3))
row("outer", F.outer, normal(2), normal(3))
row("addmm", partial(F.addmm, beta=0.5, alpha=2), normal(4), normal(2, 3), normal(3, 4))
row("baddbmm", F.baddbmm, normal(2, 4), normal(3, 2, 3), normal(3, 3, 4))
row("bilinear", F.bilinear, normal(4, 2), normal(4, 3), normal(2, 2, 3), normal(2))

for equation, *shapes in (
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("bij,bkj->bik", (2, 2, 3), (2, 4, 3)),
    ("i,j->ij", (2,), (3,)),
    ("ij->j", (2, 3)),
    ("ii->i", (3, 3)),
    ("ii", (3, 3)),
    ("iji,jk", (2, 3, 2), (3, 4)),
    ("...ij,...j->...i", (2, 3, 4), (4,)),
    ("bi,ij,bj->b", (2, 3), (3, 4), (2, 4)),
    ("ij,ij->", (1, 3), (2, 3)),
):
    row("einsum", partial(F.einsum, equation), *(normal(*shape) for shape in shapes))
