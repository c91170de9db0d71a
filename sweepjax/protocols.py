"""The protocols: what a model, a solver and an observable offer, each written for one realization."""

from typing import Any, ClassVar, Literal, Protocol

from jaxtyping import Array, Float, Int, Key

from sweepjax.types import Columns, Data, Moment, Params, Problem, Stage, State, Trajectory


class Model(Protocol):
    """A system that can be drawn and trained; everything is written for one realization.

    A model may declare more as class variables, which whoever reads its rows looks up: `figures`, the names of those
    whose theory is its own, the usual one first; `is_symmetric`, whether its rows are as likely as their opposites;
    `overrides`, fields whose names it takes from a solver, which then keeps its default; `unit_axes`, by the names of
    parameters which of their last two axes, 0 or 1, numbers the units that they feed, where it is not the last;
    `aspect`, false where its integers n and d are not a number of samples and of features, so that λ = d/n is no axis
    and no column.
    """

    def sample(self, key: Key[Array, ""]) -> Data:
        """Draw one dataset; every dtype is written out."""
        ...

    def init(self, key: Key[Array, ""], data: Data) -> Params:
        """Return the parameters at t = 0."""
        ...

    def training_loss(self, params: Params, data: Data, batch: Any = None) -> Float[Array, ""]:
        """Return the training loss, on the samples `batch` if given."""
        ...

    def metrics(self, params: Params, data: Data) -> Columns:
        """Return scalars measured at each recorded time."""
        ...


class Padding(Protocol):
    """What a model may have besides, so that rows of several shapes share one compiled program.

    `padded` names the integer field that may be larger than the dataset is drawn for. Solvers that know how to leave
    the rest out say so (`pads`), and see the true value as `problem.used`; with others it is not done.
    """

    padded: ClassVar[str]

    def width(self) -> int:
        """Return the value of the field in the program that computes this model: as large, or larger."""
        ...

    def sample(self, key: Key[Array, ""], used: Int[Array, ""] | None = None) -> Data:
        """Draw the dataset of a model whose field has the value `used`, to the bit, then zeros."""
        ...


class Abilities(Protocol):
    """What a model may have besides; a solver that needs one of these says so in `needs`."""

    def facts(self, data: Data, start: Params) -> Columns:
        """Return scalars and vectors of the dataset and the parameters at t = 0, once a row."""
        ...

    @property
    def search(self) -> "Solver":
        """Return what finds facts that take many steps: a solver of no clock, whose `info` they are.

        A row waits for its stages before it leaves; whatever they need of the fields is in `problem.model`.
        """
        ...

    def batch(self, key: Key[Array, ""], data: Data, size: int) -> Any:
        """Draw what `training_loss` takes as its batch of so many samples."""
        ...

    def check(self) -> None:
        """Raise ValueError where integers, texts and truth values of the fields do not fit each other."""
        ...

    def crossings(self, params: Params, data: Data) -> Columns:
        """Return numbers by the names of columns, each of which says when its number first was not negative.

        They are looked at when recorded and in between, 1 % of the time apart; a column is NULL where that is never.
        """
        ...

    def velocity(self, params: Params, data: Data, time: Float[Array, ""]) -> Params:
        """Return dθ/dt of a flow that is not -∇L, or that of the variables which `reduced` chooses."""
        ...

    def reduced(self, start: Params, data: Data) -> Any:
        """Return the variables of the flow at t = 0, where others than the parameters are fewer or smoother.

        They come with a `velocity` and with `expanded`; solvers that take steps keep to the parameters.
        """
        ...

    def expanded(self, variables: Any, data: Data, time: Float[Array, ""]) -> Params:
        """Return the parameters that the variables of the flow stand for at one time."""
        ...

    def signed_rows(self, data: Data) -> Float[Array, "n d"]:
        """Return the rows z_i of the asymptotic loss Σ exp(z_i·S)."""
        ...

    def predictor(self, params: Params) -> Float[Array, " d"]:
        """Return the weights of the linear predictor that the parameters stand for."""
        ...

    def embedding(self, params: Params) -> Float[Array, "k w"]:
        """Return what a network reads for each of k numbers."""
        ...

    def limits(self) -> dict[str, float]:
        """Return what columns tend to as n → ∞ and t → ∞, in almost every draw."""
        ...

    def limit_known(self) -> dict[str, float]:
        """Return what is known before a run, by columns: means at the end, `generalizes`, a share; 0 if none can."""
        ...

    def absolute(self, relative: float) -> dict[str, float]:
        """Return how far columns that pass through 0 or jump may be apart, where trainings agree to `relative`."""
        ...

    def separable_probability(self) -> float:
        """Return the probability that a draw is separable from the origin, where its law is not Wendel's."""
        ...

    def prepare(self, start: Params, data: Data) -> Any:
        """Return what `solution` needs for all times."""
        ...

    def solution(self, prepared: Any, time: Float[Array, ""]) -> Params:
        """Return the parameters of the gradient flow at one time, in closed form."""
        ...

    def quadratic(self, data: Data) -> Any:
        """Return the training loss as a `Quadratic` of parameters that are one array."""
        ...

    def penalized(self, data: Data) -> Any:
        """Return the training loss as a `Quadratic` with an L1 penalty, of parameters that are one array."""
        ...


class Solver(Protocol):
    """A way from t = 0 to the recorded times, cut into stages of bounded and nearly equal work.

    A row waits for one stage at a time. Many rows that wait for the same one go through it side by side, so that a
    stage has no loop whose length depends much on the row, and no branch of which most rows need one side only.

    Law: the steps that a row takes are the same whatever times are recorded.

    A solver may declare more as class variables: `at_once`, how many recorded times a state has typically reached by
    the time it has reached one; `effort`, the names of the columns that tell of its own work and are never compared;
    `agreement`, the relative difference up to which two trainings of one row are the same (1e-5 if it does not say);
    `unlike`, for a column what more there may be between kinds of devices;
    `figures`, as a model does; `claims`, what its columns say of sound rows; `absent`, what the column of a draw that
    lacks it stands for among other draws; `follows_gradient`, whether its trainings end where gradient flow does;
    `word`, its name in figures; `pads`, whether it leaves out what is beyond `problem.used` of padded data.
    """

    clock: ClassVar[Literal["time", "step", "none"]]

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Return what a row may wait for: functions (problem, state, until) -> state."""
        ...

    def init(self, problem: Problem) -> State:
        """Return the state at t = 0; cheap."""
        ...

    def waits(self, state: State, until: Float[Array, ""]) -> Int[Array, ""]:
        """Return the stage that brings a state nearer to `until`; len(stages) where it is there, or goes no further."""
        ...

    def params(self, problem: Problem, state: State, time: Float[Array, ""]) -> Params:
        """Return the parameters at a time that the state has reached, or passed in its last step."""
        ...

    def info(self, problem: Problem, state: State) -> Columns:
        """Return what is said once a row: steps, convergence, certificates."""
        ...


class Viewing(Protocol):
    """What a solver may have besides."""

    def view(self, problem: Problem) -> Any:
        """Return the data as the stages read them; a row alone keeps it, others make it anew at every stage."""
        ...


class Observable(Protocol):
    """A quantity that is measured during the training, and perhaps completed after it."""

    def measure(self, problem: Problem, moment: Moment) -> Any:
        """Return what is kept of one recorded time: the quantity itself, or what `finish` needs of it."""
        ...


class Once(Protocol):
    """A quantity of the dataset, which needs no training: it can be asked of finished rows, too."""

    def fact(self, problem: Problem) -> Any:
        """Return the quantity, or a pair (value, exists), of the dataset and the parameters at t = 0."""
        ...


class Finishing(Protocol):
    """What an observable may have besides."""

    def finish(self, problem: Problem, trajectory: Trajectory) -> Array:
        """Return the column [t ...] of all recorded times, from what was kept of each."""
        ...

    def absolute(self, relative: float) -> float:
        """Return how far two values may be apart near 0, or where they count, if trainings agree to `relative`."""
        ...
