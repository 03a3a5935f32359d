"""When a run ends, at its budget of tokens or when it is told to, and how far it has come."""

from __future__ import annotations

import signal
from typing import Any

import torch
from tqdm.auto import tqdm
from transformers import ProgressCallback, TrainerCallback, TrainerControl, TrainerState, TrainingArguments


def ends_at_budget(args: TrainingArguments, stream: Any) -> bool:
    """Whether the budget of ``stream`` ends the run, rather than a number of steps."""
    return args.max_steps > stream.num_full_steps


class RunControl(TrainerCallback):
    """Ends the run of ``trainer`` with the step that reaches the budget, or the one in which SIGTERM came.

    SIGTERM leaves a checkpoint behind and sets ``interrupted``. (transformers' own ``enable_jit_checkpoint``
    waits three seconds, then saves in the middle of a step, and each rank at another one.)
    """

    def __init__(self, trainer: Any):
        self.interrupted = False
        self._trainer = trainer
        self._told_to_stop = False
        self._handler: Any = None

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, *_: Any, **__: Any) -> None:
        self._handler = signal.signal(signal.SIGTERM, self._on_sigterm)
        self._expect_end(args, state)

    def _on_sigterm(self, *_: Any) -> None:
        self._told_to_stop = True

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **__: Any
    ) -> None:
        stream = self._trainer.train_dataset
        place = stream.place(state.global_step)
        state.epoch = place.epoch
        if place.counts.tokens >= stream.budget:
            control.should_training_stop = True
            control.should_save = args.save_strategy != "no"
        # All ranks end with the same step, whichever of them was told.
        told = torch.tensor(int(self._told_to_stop), device=args.device)
        told = self._trainer.accelerator.reduce(told, reduction="sum")
        if told and not control.should_training_stop:
            self.interrupted = control.should_training_stop = control.should_save = True
        self._expect_end(args, state)

    def on_train_end(self, *_: Any, **__: Any) -> None:
        signal.signal(signal.SIGTERM, self._handler)

    def _expect_end(self, args: TrainingArguments, state: TrainerState) -> None:
        """Where only the budget ends the run, have the progress bar know about when that will be."""
        stream = self._trainer.train_dataset
        if ends_at_budget(args, stream):
            tokens = stream.place(state.global_step).counts.tokens
            tokens_a_step = tokens / state.global_step if tokens else stream.rows_a_step * stream.window
            # One more than expected: transformers stops there, and the budget must come first.
            expected = state.global_step + int((stream.budget - tokens) // tokens_a_step) + 2
            state.max_steps = min(expected, args.max_steps)


class TokenProgress(ProgressCallback):
    """transformers' progress bar in tokens of the budget, so that its ETA does not hang on guessed steps.

    A run that ends after a number of steps keeps the bar of steps. One that goes on from a checkpoint begins
    where that was, and reckons its speed from there.
    """

    def __init__(self, trainer: Any):
        super().__init__()
        self._trainer = trainer
        self._in_tokens = False

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._in_tokens = ends_at_budget(args, self._trainer.train_dataset)
        if not self._in_tokens:
            super().on_train_begin(args, state, control, **kwargs)
        elif state.is_world_process_zero:
            self.training_bar = tqdm(
                total=self._trainer.train_dataset.budget,
                initial=self._tokens(state),
                unit="tokens",
                unit_scale=True,
                dynamic_ncols=True,
            )

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if not self._in_tokens:
            super().on_step_end(args, state, control, **kwargs)
        elif self.training_bar is not None:
            self.training_bar.update(self._tokens(state) - self.training_bar.n)

    def _tokens(self, state: TrainerState) -> int:
        stream = self._trainer.train_dataset
        # The last step goes a little over; a bar beyond its total would show neither share nor time.
        return min(stream.place(state.global_step).counts.tokens, stream.budget)
