"""What backward does, on one formula: y = tanh(a * b + a).

Run: python examples/01_gradients.py
"""

import argparse

import tinygan
from tinygan.autograd import Node, Tensor, grad, gradcheck


def graph(node: Node, depth: int = 0) -> None:
    """Print the record that y carries: each operation above the ones it was computed from."""
    print("  " * depth + str(node))
    for source in node.inputs:
        if source is not None:
            graph(source, depth + 1)


def formula(a: Tensor, b: Tensor) -> Tensor:
    return tinygan.tanh(a * b + a)


argparse.ArgumentParser(description=__doc__).parse_known_args()

a = tinygan.tensor(0.5, dtype=tinygan.float64, requires_grad=True)
b = tinygan.tensor(-2.0, dtype=tinygan.float64, requires_grad=True)
y = formula(a, b)
print(f"y = tanh(a * b + a) at a = {a.item()}, b = {b.item()} is {y.item():.6f}")

print("\nWhile y was computed, every operation left a record of where its inputs came from:")
graph(y.node)

print("\nbackward() walks it from y to the leaves and applies the chain rule at each record:")
y.backward()
slope = 1 - y.item() ** 2
print(f"  dy/da = (1 - y^2)(b + 1) = {slope * (b.item() + 1):+.6f}    .grad {a.grad.item():+.6f}")
print(f"  dy/db = (1 - y^2) a      = {slope * a.item():+.6f}    .grad {b.grad.item():+.6f}")

print("\nThe rules are written in differentiable operations, so a gradient has a gradient:")
(first,) = grad(formula(a, b), a, create_graph=True)
(second,) = grad(first, a)
exact = -2 * y.item() * slope * (b.item() + 1) ** 2
print(f"  d2y/da2 = -2 y (1 - y^2)(b + 1)^2 = {exact:+.6f}    grad of grad {second.item():+.6f}")

print("\nNone of this has to be believed. Differences of y along random directions agree,")
print("to third order, within a relative error of one in a million:", end=" ")
print(gradcheck(formula, (a, b), order=3))
