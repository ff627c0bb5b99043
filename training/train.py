"""Trains a network, or continues from its checkpoint.

    python -m training.train --scale 4 --steps 40000 [--data build/training] [--checkpoint FILE] [--start FILE]
        [--head-only] [--body 32] [--channels 32]

Uses a GPU if there is one. The number of a step seeds its patches, so an interrupted training
continues with the same result as an uninterrupted one. To prolong a training, run it again with
more steps.
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
from training.batches import as_tensor, random_batch, rescale_target
from training.critic import Critic, critic_loss, network_loss
from training.gather import DATA
from training.losses import CONTRAST, distance, gradients
from training.network import (
    BODY,
    Network,
    body_of,
    channels_of,
    deepen,
    network_from,
    published_weights,
    random_weights,
    scale_of,
    weights_from_onnx,
    with_head_for,
)
from training.prefetch import prefetch
from training.shards import Shards

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

# Decay of the exponential moving average of the weights: half of the average is from the last 700
# steps.
AVERAGE = 0.999

# Number of batches that are prepared in advance, and of threads that do it.
_PREFETCH = 8

# Learning rate of Muon over that of Adam. The updates of Muon have singular values of 1, and the
# weights not much more. Of rates of 0.0012, 0.004 and 0.02, the first two gave the same results and
# the last was far too high.
MATRIX_RATE = 3.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Parameters of a training.

    Attributes:
        scale: Factor of the network.
        steps: Number of steps.
        count: Patches of a step.
        side: Side of an input patch in pixels.
        rate: Highest learning rate.
        warm_up: Steps until the highest learning rate, and until the full weight of the critic.
        contrast: Weight of `contrast_loss`.
        critic: Weight of the critic; 0 for no critic.
        head_only: Train only the head.
        seed: Seed of all randomness.
    """

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
        """Returns the learning rate of a step: a linear warm-up, and a cosine decay to zero."""
        return self.rate * min(1.0, (step + 1) / self.warm_up) * (1 + math.cos(math.pi * step / self.steps)) / 2


class Training:
    """The state of a training.

    Attributes:
        plan: The parameters.
        step: Number of finished steps.
        network: The network.
        average: Moving average of its weights.
    """

    def __init__(self, plan: Plan, weights: dict[str, torch.Tensor]) -> None:
        """Starts a training.

        Args:
            plan: The parameters.
            weights: Initial weights of a `Network` of the plan's factor.
        """
        self.plan = plan
        self.step = 0
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.network = network_from(weights).to(self._device)
        self.average = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.network.body.requires_grad_(not plan.head_only)
        # Muon optimises matrices: views of the kernels of the body, which share their memory. Adam
        # optimises the rest, with the first layer and the head (K. Jordan et al., "Muon", 2024).
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

    def train_step(self, pictures: NDArray[np.uint8], wanted: NDArray[np.uint8]) -> float:
        """Runs one step.

        Args:
            pictures: ``[n, h, w, 3]``.
            wanted: Results of the teacher at the plan's factor, ``[n, h * scale, w * scale, 3]``.

        Returns:
            The distance before the step.
        """
        inputs, targets = (as_tensor(part, self._device) for part in (pictures, wanted))
        for name, optimiser in self._all_optimisers().items():
            for group in optimiser.param_groups:
                group["lr"] = self.plan.rate_at(self.step) * (MATRIX_RATE if name == "matrix_optimiser" else 1)
        with torch.autocast(self._device.type, torch.bfloat16):
            results = self.network(inputs)
        loss_to_teacher = loss = distance(results, targets, self.plan.scale, self.plan.contrast)
        if self.plan.critic:
            self._train_critic(results.detach(), inputs, targets)
            # The weight rises from zero, because an untrained critic gives no useful gradient.
            weight = self.plan.critic * min(1.0, (self._critic_steps() - 1) / self.plan.warm_up)
            with torch.autocast(self._device.type, torch.bfloat16):
                loss = loss_to_teacher + weight * network_loss(self._critic(results, inputs))
        self.network.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        for weight, matrix in zip(self._weights, self._matrices, strict=True):
            matrix.grad = weight.grad.flatten(1)
        for optimiser in self._optimisers.values():
            optimiser.step()
        # The average decays faster in early steps, so that it forgets the initial weights.
        keep = min(AVERAGE, (self.step + 1) / (self.step + 10))
        for name, value in self.network.state_dict().items():
            self.average[name].lerp_(value, 1 - keep)
        self.step += 1
        return loss_to_teacher.item()

    def _train_critic(self, results: torch.Tensor, inputs: torch.Tensor, targets: torch.Tensor) -> None:
        with torch.autocast(self._device.type, torch.bfloat16):
            loss = critic_loss(self._critic(targets, inputs), self._critic(results, inputs))
        self._critic.zero_grad()
        loss.backward()
        self._critic_optimiser.step()

    def _critic_steps(self) -> int:
        return max((int(state["step"]) for state in self._critic_optimiser.state.values()), default=0)

    def _all_optimisers(self) -> dict[str, torch.optim.Optimizer]:
        return {**self._optimisers, "critic_optimiser": self._critic_optimiser}

    def state(self) -> dict[str, Any]:
        """Returns the contents of a checkpoint."""
        return {
            "scale": self.plan.scale,
            "step": self.step,
            "network": self.network.state_dict(),
            "average": self.average,
            "critic": self._critic.state_dict(),
            **{name: optimiser.state_dict() for name, optimiser in self._all_optimisers().items()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continues from the contents of a checkpoint.

        Raises:
            ValueError: The checkpoint has another factor, or it trains the head only and the plan
                does not, or the other way round.
        """
        if state["scale"] != self.plan.scale:
            raise ValueError(f"the checkpoint is for factor {state['scale']}, not {self.plan.scale}")
        if ("matrix_optimiser" in state) == self.plan.head_only:
            trained, wanted = ("whole network", "head") if self.plan.head_only else ("head", "whole network")
            raise ValueError(f"the checkpoint trains the {trained}, not the {wanted}")
        self.step = state["step"]
        self.network.load_state_dict(state["network"])
        self.average = {name: value.to(self._device) for name, value in state["average"].items()}
        self._critic.load_state_dict(state["critic"])
        for name, optimiser in self._all_optimisers().items():
            optimiser.load_state_dict(state[name])

    def averaged(self) -> Network:
        """Returns a network with the averaged weights, which are those to export."""
        return network_from(self.average).to(self._device, memory_format=torch.channels_last).eval()


@torch.no_grad()
def validate(network: Network, pairs: Shards, count: int = 32) -> tuple[float, float]:
    """Compares a network with the teacher.

    Args:
        network: The network.
        pairs: Pairs that are not used for training.
        count: Number of pairs to use.

    Returns:
        The mean PSNR in dB, and the mean gradient as a share of the teacher's.
    """
    device = next(network.parameters()).device
    psnr, own_gradient, teacher_gradient = [], 0.0, 0.0
    for index in range(min(count, len(pairs))):
        picture, target = pairs[index]
        wanted = as_tensor(rescale_target(target, network.scale)[None], device)
        with torch.autocast(device.type, torch.bfloat16):
            result = network(as_tensor(picture[None], device)).clamp(0, 1)
        psnr.append(-10 * math.log10(max(functional.mse_loss(result, wanted).item(), 1e-10)))
        own_gradient += sum(part.abs().mean().item() for part in gradients(result))
        teacher_gradient += sum(part.abs().mean().item() for part in gradients(wanted))
    return float(np.mean(psnr)), own_gradient / max(teacher_gradient, 1e-10)


def start_training(
    plan: Plan, checkpoint: Path, start: Path | None, *, channels: int | None = None, body: int | None = None
) -> Training:
    """Continues from a checkpoint if it exists, and starts a training otherwise.

    Args:
        plan: The parameters.
        checkpoint: Checkpoint of this training.
        start: Checkpoint of another training or an exported file with the initial weights; `None`
            for the weights of realesr-animevideov3.
        channels: Start from random weights with this number of channels.
        body: Number of layers that the body is to have; missing ones are added to the initial
            weights.

    Raises:
        ValueError: The checkpoint does not fit `plan`, `channels` or `body`; the initial weights
            have more layers than `body`; `start` and `channels` are both given.
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
    weights = _initial_weights(plan, start, channels, body)
    if body is not None:
        weights = deepen(weights, body)
    if plan.scale != scale_of(weights):
        weights = with_head_for(weights, plan.scale)
    return Training(plan, weights)


def _initial_weights(plan: Plan, start: Path | None, channels: int | None, body: int | None) -> dict[str, torch.Tensor]:
    if channels is not None:
        if start is not None:
            raise ValueError("random weights (--channels) and initial weights (--start) exclude each other")
        return random_weights(plan.scale, channels=channels, body=BODY if body is None else body, seed=plan.seed)
    if start is None:
        return published_weights()
    if start.suffix == ".onnx":
        return weights_from_onnx(onnx.load(start))
    return dict(checkpoints.load(start)["average"])


def run(training: Training, data: Path, checkpoint: Path, *, save_every: int, report_every: int) -> None:
    """Trains to the last step of the plan.

    Args:
        training: The training.
        data: Folder with the splits ``train`` and ``held-out``. New shards are used from the next
            report on.
        checkpoint: File that is written every `save_every` steps and before every report.
        save_every: Number of steps.
        report_every: Number of steps between lines of output.
    """
    held_out = Shards(data / "held-out")
    for last in _report_steps(training.step, training.plan.steps, report_every):
        pairs = Shards(data / "train")
        start, losses = time.monotonic(), []
        first = training.step
        for pictures, wanted in prefetched_batches(training.plan, pairs, range(first, last)):
            losses.append(training.train_step(pictures, wanted))
            if training.step % save_every == 0 or training.step == last:
                checkpoints.save(checkpoint, training.state())
        rate = (last - first) / (time.monotonic() - start)
        psnr, gradient = validate(training.averaged(), held_out)
        print(
            f"step {last}: distance {np.mean(losses):.4f}, held out {psnr:.2f} dB, gradient {gradient:.3f}, "
            f"{len(pairs)} pairs, {rate:.2f} steps/s",
            flush=True,
        )


def prefetched_batches(
    plan: Plan, pairs: Shards, steps: Iterable[int]
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """Yields the batch of each step, as `random_batch` returns it.

    Threads prepare batches in advance: a GPU would otherwise wait for every batch.
    """

    def make(step: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        rng = np.random.default_rng([plan.seed, step])
        return random_batch(pairs, rng, count=plan.count, side=plan.side, scale=plan.scale)

    with ThreadPoolExecutor(_PREFETCH) as pool:
        yield from prefetch(pool, make, steps, _PREFETCH)


def _report_steps(step: int, steps: int, every: int) -> Iterator[int]:
    """Multiples of `every` after `step`, and finally `steps`."""
    yield from itertools.takewhile(lambda end: end < steps, itertools.count(step - step % every + every, every))
    if step < steps:
        yield steps


def _argument_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=int, choices=[2, 3, 4], default=4)
    parser.add_argument("--steps", type=int, default=40000, help="default: %(default)s")
    parser.add_argument("--rate", type=float, default=Plan.rate, help="highest learning rate (default: %(default)s)")
    parser.add_argument("--count", type=int, default=Plan.count, help="patches of a step (default: %(default)s)")
    parser.add_argument("--side", type=int, default=Plan.side, help="side of a patch in pixels (default: %(default)s)")
    parser.add_argument(
        "--contrast", type=float, default=CONTRAST, help="weight of the local contrast loss (default: %(default)s)"
    )
    parser.add_argument("--critic", type=float, default=Plan.critic, help="weight of the critic (default: no critic)")
    parser.add_argument("--head-only", action="store_true", help="train only the head")
    parser.add_argument("--channels", type=int, help="start from random weights with this number of channels")
    parser.add_argument("--body", type=int, help="layers of the body; missing ones are added to the initial weights")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the shards (default: %(default)s)")
    parser.add_argument("--checkpoint", type=Path, help="default: checkpoints/x4.pt in the data folder, for factor 4")
    parser.add_argument("--start", type=Path, help="initial weights: another checkpoint or an exported ONNX file")
    parser.add_argument("--save-every", type=int, default=100, help="steps (default: %(default)s)")
    parser.add_argument("--report-every", type=int, default=500, help="steps (default: %(default)s)")
    return parser


def main() -> None:
    """Runs the command."""
    parser = _argument_parser()
    arguments = parser.parse_args()
    plan = Plan(**{field.name: getattr(arguments, field.name, field.default) for field in fields(Plan)})
    checkpoint = arguments.checkpoint or arguments.data / "checkpoints" / f"x{plan.scale}.pt"
    try:
        training = start_training(plan, checkpoint, arguments.start, channels=arguments.channels, body=arguments.body)
    except ValueError as error:
        parser.error(str(error))
    print(f"from step {training.step} of {plan.steps}", flush=True)
    run(training, arguments.data, checkpoint, save_every=arguments.save_every, report_every=arguments.report_every)


if __name__ == "__main__":
    main()
