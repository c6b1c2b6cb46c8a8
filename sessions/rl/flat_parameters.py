"""Torch's parameters and Adam's state as views of flat vectors that compiled code updates in place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from sessions.rl.perceptron_kernel import Adam
from trainingday.typing import Float32Array, IntArray


def is_plain_adam(optimiser: torch.optim.Optimizer) -> bool:
    """Return whether the compiled step computes what this optimiser would."""
    group = optimiser.param_groups[0]
    unusual = group.get("weight_decay") or group.get("amsgrad") or group.get("maximize")
    return type(optimiser) is torch.optim.Adam and len(optimiser.param_groups) == 1 and not unusual


def tanh_layers(modules: Sequence[nn.Module]) -> list[nn.Linear] | None:
    """Return the linear layers of linear, tanh, linear, ..., linear; None where the modules are others."""
    linears = modules[::2]
    is_tanh = len(modules) % 2 == 1 and all(isinstance(module, nn.Tanh) for module in modules[1::2])
    found = [module for module in linears if isinstance(module, nn.Linear) and module.bias is not None]
    return found if is_tanh and len(found) == len(linears) else None


class FlatParameters:
    """One flat vector that a module's parameters are views of, in their order.

    `shape(layers)` describes linear layers to `forward_nb`.
    """

    def __init__(self, module: nn.Module) -> None:
        self.parameters = list(module.parameters())
        self.tensor = torch.cat([parameter.detach().reshape(-1) for parameter in self.parameters])
        for parameter, view in zip(self.parameters, self.views(self.tensor), strict=True):
            parameter.data = view

    def views(self, flat: torch.Tensor) -> list[torch.Tensor]:
        parts = torch.split(flat, [parameter.numel() for parameter in self.parameters])
        return [part.view_as(parameter) for part, parameter in zip(parts, self.parameters, strict=True)]

    @property
    def vector(self) -> Float32Array:
        vector: Float32Array = self.tensor.numpy()
        return vector

    def shape(self, layers: Sequence[nn.Linear]) -> IntArray:
        """Return inputs, outputs, and where weights and biases begin, (n_layers, 4), int64."""
        begins, at = {}, 0
        for parameter in self.parameters:
            begins[id(parameter)] = at
            at += parameter.numel()
        rows = [(x.in_features, x.out_features, begins[id(x.weight)], begins[id(x.bias)]) for x in layers]
        return np.array(rows, dtype=np.int64)


class FlatAdam:
    """An Adam optimiser's state as views of flat vectors; torch may step it too, from the same state."""

    def __init__(self, flat: FlatParameters, optimiser: torch.optim.Optimizer) -> None:
        self._flat, self.optimiser = flat, optimiser
        mean, square = torch.zeros_like(flat.tensor), torch.zeros_like(flat.tensor)
        steps = torch.zeros(len(flat.parameters))
        views = zip(steps.unbind(), flat.views(mean), flat.views(square), strict=True)
        self._views = [dict(zip(("step", "exp_avg", "exp_avg_sq"), of_one, strict=True)) for of_one in views]
        self._steps, self._mean, self._square = steps.numpy(), mean.numpy(), square.numpy()
        self._gradient = np.zeros_like(self._mean)
        for parameter, of_one in zip(flat.parameters, self._views, strict=True):
            optimiser.state[parameter] = dict(of_one)
        self._adopted = optimiser.state

    def _adopt(self) -> None:
        """Take over the state where the optimiser was given another, as loading one does."""
        if self.optimiser.state is self._adopted:
            return
        self._adopted = self.optimiser.state
        for parameter, of_one in zip(self._flat.parameters, self._views, strict=True):
            state = self.optimiser.state[parameter]
            for name, view in of_one.items():
                if state[name] is not view:
                    view.copy_(state[name])
                    state[name] = view

    @property
    def n_steps(self) -> int:
        self._adopt()
        return int(self._steps[0])

    def count(self, n_steps: int) -> None:
        """Tell torch's optimiser that compiled code took `n_steps`."""
        self._steps += n_steps

    def arrays(self, max_norm: float) -> Adam:
        self._adopt()
        group = self.optimiser.param_groups[0]
        beta_1, beta_2 = group["betas"]
        return Adam(
            self._flat.vector,
            self._gradient,
            self._mean,
            self._square,
            float(group["lr"]),
            beta_1,
            beta_2,
            float(group["eps"]),
            max_norm,
        )
