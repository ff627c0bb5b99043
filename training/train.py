"""Trains one network; goes on from its checkpoint, however it was stopped.

    python -m training.train --scale 4 --steps 40000 [--data build/training] [--checkpoint FILE] [--start FILE]
        [--head-only] [--body 32] [--channels 32]

The same command runs on a CPU and, where there is one, on a GPU. Every step draws its patches from its own number, so a
training that was stopped goes on as if it had not been. Give more steps to prolong it.
"""

from __future__ import annotations

import argparse
import itertools
import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import torch
from torch import nn
from torch.nn import functional

from training import checkpoints
from training.ahead import ahead
from training.batches import as_tensor, batch, shrunk
from training.critic import Critic, critic_loss, network_loss
from training.gather import DATA
from training.losses import CONTRAST, distance, gradients
from training.network import (
    BODY,
    Network,
    body_of,
    channels_of,
    deepened,
    network_of,
    new_weights,
    scale_of,
    start_weights,
    weights_of,
    with_head_for,
)
from training.shards import Shards

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

# The averaged weights follow the trained ones at this rate: half of them is from the last 700 steps.
AVERAGE = 0.999

# Batches that are made ready at once.
_AHEAD = 8

# Muon's rate over Adam's. Its steps have singular values of 1, and the weights not much more; of 0.0012, 0.004 and 0.02
# the first two were alike and the last far too high.
MATRIX_RATE = 3.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What decides a training, besides its data."""

    scale: int
    steps: int
    count: int = 8
    side: int = 64
    rate: float = 5e-4
    warm_up: int = 200
    contrast: float = CONTRAST
    critic: float = 0.0
    head_only: bool = False
    seed: int = 0

    def rate_at(self, step: int) -> float:
        """Rises to `rate`, then falls along half a cosine."""
        return self.rate * min(1.0, (step + 1) / self.warm_up) * (1 + math.cos(math.pi * step / self.steps)) / 2


class Training:
    """A network on its way, and all that has to be kept to go on."""

    def __init__(self, plan: Plan, weights: dict[str, torch.Tensor]) -> None:
        self.plan = plan
        self.step = 0
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.network = network_of(weights).to(self._device)
        self.average = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.network.body.requires_grad_(not plan.head_only)
        # The layers of the body as matrices, which share their memory: Muon is for matrices.
        # The first layer, which reads pixels, is left to Adam like the head (Jordan et al., "Muon", 2024).
        layers = [] if plan.head_only else [layer for layer in self.network.body[2:] if isinstance(layer, nn.Conv2d)]
        self._weights = [layer.weight for layer in layers]
        self._matrices = [weight.detach().view(len(weight), -1) for weight in self._weights]
        matrices = {id(weight) for weight in self._weights}
        others = [part for part in self.network.parameters() if part.requires_grad and id(part) not in matrices]
        self._optimisers: dict[str, torch.optim.Optimizer] = {"optimiser": torch.optim.Adam(others, betas=(0.9, 0.99))}
        if not plan.head_only:
            self._optimisers["matrix_optimiser"] = torch.optim.Muon(self._matrices, weight_decay=0.0)
        with torch.random.fork_rng():
            torch.manual_seed(plan.seed)
            critic = Critic()
        self._critic = critic.to(self._device, memory_format=torch.channels_last)
        self._critic_optimiser = torch.optim.Adam(self._critic.parameters(), betas=(0.5, 0.99))

    def advance(self, pictures: NDArray[np.uint8], wanted: NDArray[np.uint8]) -> float:
        """One step; returns the distance before it.

        Args:
            pictures: ``[n, h, w, 3]``.
            wanted: what the teacher makes of them at the plan's factor, ``[n, h * scale, w * scale, 3]``.
        """
        inputs, targets = (as_tensor(part, self._device) for part in (pictures, wanted))
        for name, optimiser in self._all_optimisers().items():
            for group in optimiser.param_groups:
                group["lr"] = self.plan.rate_at(self.step) * (MATRIX_RATE if name == "matrix_optimiser" else 1)
        with torch.autocast(self._device.type, torch.bfloat16):
            made = self.network(inputs)
        apart = loss = distance(made, targets, self.plan.scale, self.plan.contrast)
        if self.plan.critic:
            self._teach_critic(made.detach(), inputs, targets)
            # One that has just begun has nothing to say yet.
            weight = self.plan.critic * min(1.0, (self._critic_steps() - 1) / self.plan.warm_up)
            with torch.autocast(self._device.type, torch.bfloat16):
                loss = apart + weight * network_loss(self._critic(made, inputs))
        self.network.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        for weight, matrix in zip(self._weights, self._matrices, strict=True):
            matrix.grad = weight.grad.flatten(1)
        for optimiser in self._optimisers.values():
            optimiser.step()
        # Early on the average forgets faster: it should not remember the start.
        keep = min(AVERAGE, (self.step + 1) / (self.step + 10))
        for name, value in self.network.state_dict().items():
            self.average[name].lerp_(value, 1 - keep)
        self.step += 1
        return apart.item()

    def _teach_critic(self, made: torch.Tensor, inputs: torch.Tensor, targets: torch.Tensor) -> None:
        with torch.autocast(self._device.type, torch.bfloat16):
            loss = critic_loss(self._critic(targets, inputs), self._critic(made, inputs))
        self._critic.zero_grad()
        loss.backward()
        self._critic_optimiser.step()

    def _critic_steps(self) -> int:
        return max((int(state["step"]) for state in self._critic_optimiser.state.values()), default=0)

    def _all_optimisers(self) -> dict[str, torch.optim.Optimizer]:
        return {**self._optimisers, "critic_optimiser": self._critic_optimiser}

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {
            "scale": self.plan.scale,
            "step": self.step,
            "network": self.network.state_dict(),
            "average": self.average,
            "critic": self._critic.state_dict(),
            **{name: optimiser.state_dict() for name, optimiser in self._all_optimisers().items()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes back to a checkpoint of the same factor."""
        if state["scale"] != self.plan.scale:
            raise ValueError(f"the checkpoint is of factor {state['scale']}, not {self.plan.scale}")
        if ("matrix_optimiser" in state) == self.plan.head_only:
            raise ValueError("the checkpoint is of a training of the body too, or of the head alone, and this is not")
        self.step = state["step"]
        self.network.load_state_dict(state["network"])
        self.average = {name: value.to(self._device) for name, value in state["average"].items()}
        self._critic.load_state_dict(state["critic"])
        for name, optimiser in self._all_optimisers().items():
            optimiser.load_state_dict(state[name])

    def averaged(self) -> Network:
        """The network with the averaged weights, which are the ones to keep."""
        return network_of(self.average).to(self._device, memory_format=torch.channels_last).eval()


@torch.no_grad()
def agreement(network: Network, pairs: Shards, count: int = 32) -> tuple[float, float]:
    """Mean PSNR to the teacher in dB, and mean gradient over the teacher's, on the first pairs."""
    device = next(network.parameters()).device
    psnr, ours, theirs = [], 0.0, 0.0
    for index in range(min(count, len(pairs))):
        picture, target = pairs[index]
        wanted = as_tensor(shrunk(target, network.scale)[None], device)
        with torch.autocast(device.type, torch.bfloat16):
            made = network(as_tensor(picture[None], device)).clamp(0, 1)
        psnr.append(-10 * math.log10(max(functional.mse_loss(made, wanted).item(), 1e-10)))
        ours += sum(part.abs().mean().item() for part in gradients(made))
        theirs += sum(part.abs().mean().item() for part in gradients(wanted))
    return float(np.mean(psnr)), ours / max(theirs, 1e-10)


def begin(
    plan: Plan, checkpoint: Path, start: Path | None, *, channels: int | None = None, body: int | None = None
) -> Training:
    """A training from its checkpoint; or from another's network, or an exported one; or from the published weights.

    With `body`, what it starts from gets as many layers; with `channels`, it starts from chance, and from no other.

    Raises:
        ValueError: a checkpoint of another factor, depth or width, or of the head where the body is wanted too; fewer
            layers than there are; `start` beside `channels`.
    """
    if checkpoint.exists():
        state = checkpoints.load(checkpoint)
        for kind, wanted, found in (
            ("channels", channels, channels_of(state["network"])),
            ("layers", body, body_of(state["network"])),
        ):
            if wanted not in (None, found):
                raise ValueError(f"the checkpoint's network has {found} {kind}, not {wanted}")
        training = Training(plan, state["network"])
        training.restore(state)
        return training
    if channels is not None:
        if start is not None:
            raise ValueError("a network by chance starts from no other")
        weights = new_weights(plan.scale, channels=channels, body=BODY if body is None else body, seed=plan.seed)
    elif start is None:
        weights = start_weights()
    elif start.suffix == ".onnx":
        weights = weights_of(onnx.load(start))
    else:
        weights = checkpoints.load(start)["average"]
    if body is not None:
        weights = deepened(weights, body)
    if plan.scale != scale_of(weights):
        weights = with_head_for(weights, plan.scale)
    return Training(plan, weights)


def run(training: Training, data: Path, checkpoint: Path, *, save_every: int, report_every: int) -> None:
    """Trains to the end of the plan. New shards are taken up at every report."""
    held_out = Shards(data / "held-out")
    for last in _stretches(training.step, training.plan.steps, report_every):
        pairs = Shards(data / "train")
        began, losses = time.monotonic(), []
        first = training.step
        for pictures, wanted in batches(training.plan, pairs, range(first, last)):
            losses.append(training.advance(pictures, wanted))
            if training.step % save_every == 0 or training.step == last:
                checkpoints.save(checkpoint, training.state())
        pace = (last - first) / (time.monotonic() - began)
        psnr, ratio = agreement(training.averaged(), held_out)
        print(
            f"step {last}: distance {np.mean(losses):.4f}, held out {psnr:.2f} dB, gradient {ratio:.3f}, "
            f"{len(pairs)} pairs, {pace:.2f} steps/s",
            flush=True,
        )


def batches(plan: Plan, pairs: Shards, steps: Iterable[int]) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """The batch of each step, as `batch` has it; other threads make it: a GPU would wait for each."""

    def of(step: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        rng = np.random.default_rng([plan.seed, step])
        return batch(pairs, rng, count=plan.count, side=plan.side, scale=plan.scale)

    with ThreadPoolExecutor(_AHEAD) as pool:
        yield from ahead(pool, of, steps, _AHEAD)


def _stretches(step: int, steps: int, every: int) -> Iterator[int]:
    """Where reports are due: multiples of `every`, and the end."""
    yield from itertools.takewhile(lambda end: end < steps, itertools.count(step - step % every + every, every))
    if step < steps:
        yield steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=int, choices=[2, 3, 4], default=4)
    parser.add_argument("--steps", type=int, default=40000)
    parser.add_argument("--rate", type=float, default=Plan.rate, help="highest learning rate (default: %(default)s)")
    parser.add_argument("--count", type=int, default=Plan.count, help="patches of a step (default: %(default)s)")
    parser.add_argument("--side", type=int, default=Plan.side, help="pixels of a patch's side (default: %(default)s)")
    parser.add_argument(
        "--contrast", type=float, default=CONTRAST, help="weight of local contrast (default: %(default)s)"
    )
    parser.add_argument("--critic", type=float, default=Plan.critic, help="weight of a critic (default: none)")
    parser.add_argument("--head-only", action="store_true", help="leave the body as it is")
    parser.add_argument("--channels", type=int, help="start from chance, with as many channels")
    parser.add_argument("--body", type=int, help="layers of the body; no fewer than what it starts from has")
    parser.add_argument("--data", type=Path, default=DATA, help=f"where the shards are (default: {DATA})")
    parser.add_argument("--checkpoint", type=Path, help="default: checkpoints/x4.pt in the data folder, for factor 4")
    parser.add_argument("--start", type=Path, help="another network's checkpoint, or an exported file, to start from")
    parser.add_argument("--save-every", type=int, default=100)
    parser.add_argument("--report-every", type=int, default=500)
    arguments = parser.parse_args()
    plan = Plan(**{field.name: getattr(arguments, field.name, field.default) for field in fields(Plan)})
    checkpoint = arguments.checkpoint or arguments.data / "checkpoints" / f"x{plan.scale}.pt"
    try:
        training = begin(plan, checkpoint, arguments.start, channels=arguments.channels, body=arguments.body)
    except ValueError as error:
        parser.error(str(error))
    print(f"from step {training.step} of {plan.steps}", flush=True)
    run(training, arguments.data, checkpoint, save_every=arguments.save_every, report_every=arguments.report_every)


if __name__ == "__main__":
    main()
