"""Baselines on feature tables: what a network has to beat, in the same bundles and under the same protocols."""

from __future__ import annotations

import importlib.util
import json
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from audio_genre.bundles.arrays import ArrayModel, LinearModel, Tree, TreeModel
from audio_genre.bundles.calibration import fit_temperature
from audio_genre.datasets import Split
from audio_genre.errors import ParameterError
from audio_genre.extras import install_command
from audio_genre.inputs import Vectors
from audio_genre.jobs.processes import usable_cores
from audio_genre.metrics import softmax, squash
from audio_genre.training.balance import Learned
from audio_genre.training.fit import FitResult
from audio_genre.training.run import FitOptions, Report
from audio_genre.training.variants import NORMALISATION
from audio_genre.training.vector_learner import VectorLearner

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGE_TRACKS = 5000
"""Tracks of a table from which on trees may grow: what keeps them from learning a few hundred by heart would cost."""

HUGE_TRACKS = 150_000
"""Tracks of a table from which on a fit uses all cores; the last digits then depend on their number."""

# From so many rows on the library predicts, which is faster; on a sample of rows the export must agree with it.
_MANY_ROWS = 50_000
_ALL = "all"
_FITTED_ON = "the training rows only, as the networks are; the validation rows take no part"


@dataclass(frozen=True)
class Fitted:
    """A fitted baseline.

    Attributes
    ----------
    check : callable
        The library's own prediction: features (n, d) to probabilities (n, classes).
    exported : ArrayModel
        The same model as arrays, which is what bundles hold and scores are measured with.
    """

    check: Callable[[NDArray[Any]], NDArray[Any]]
    exported: ArrayModel


@dataclass(frozen=True)
class Task:
    """What a baseline is to do with rows: so many classes, the library's parameters, a seed, and threads to use."""

    classes: int
    parameters: Mapping[str, Any]
    seed: int = 0
    threads: int = 1


Fitter = Callable[[Learned, Task], Fitted]
"""Fits training rows."""


@dataclass(frozen=True)
class BaselineVariant:
    """A classifier that is no network, and its settings.

    Attributes
    ----------
    name : str
        Name on the command line, in model cards and in the names of bundles.
    description : str
        What it is, for model cards.
    fit : callable
        How it is fitted, see `Fitter`.
    parameters : mapping
        What differs from the library's defaults, under the library's names.
    normalisation : str
        What it does to a feature first, for model cards.
    package : str
        Package that it needs and that not everyone has; empty if there is none.
    large : mapping
        Parameters that differ with `LARGE_TRACKS` tracks or more.
    huge : mapping
        Parameters that differ with `HUGE_TRACKS` tracks or more, so that a fit takes minutes and not hours.
    """

    name: str
    description: str
    fit: Fitter = field(repr=False)
    parameters: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    normalisation: str = "none"
    package: str = ""
    large: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    huge: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def parameters_for(self, tracks: int) -> Mapping[str, Any]:
        """Return the parameters for a number of tracks.

        Parameters
        ----------
        tracks : int
            Number of tracks of the table.

        Returns
        -------
        mapping
            `parameters`, with those of `large` and `huge` where there are `LARGE_TRACKS` or `HUGE_TRACKS`, or more.
        """
        large = self.large if tracks >= LARGE_TRACKS else {}
        return {**self.parameters, **large, **(self.huge if tracks >= HUGE_TRACKS else {})}

    @property
    def available(self) -> bool:
        """Whether its package is installed."""
        return not self.package or importlib.util.find_spec(self.package) is not None


def _fit_majority(rows: Learned, task: Task) -> Fitted:
    from sklearn.dummy import DummyClassifier

    model = DummyClassifier(random_state=task.seed, **task.parameters).fit(rows.X, rows.y, sample_weight=rows.weights)
    leaf = np.array([-1])
    tree = Tree(leaf, leaf, leaf, np.zeros(1), model.class_prior_[np.newaxis])
    return Fitted(
        model.predict_proba, TreeModel.from_trees([tree], inputs=rows.X.shape[1], outputs=task.classes, link="mean")
    )


def _fit_logistic_regression(rows: Learned, task: Task) -> Fitted:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model = _on_squashed(LogisticRegression(random_state=task.seed, **task.parameters))
    with warnings.catch_warnings():
        # After so many steps on standardised features the last digits do not matter.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(rows.X.astype(np.float64), rows.y, logisticregression__sample_weight=rows.weights)
    return _as_linear(model, task)


def _fit_discriminant_analysis(rows: Learned, task: Task) -> Fitted:
    from sklearn.covariance import OAS
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    # Weights are those of classes, and decide how probable each is and how much its covariance counts.
    priors = np.bincount(rows.y, weights=rows.weights, minlength=task.classes)
    model = _on_squashed(
        LinearDiscriminantAnalysis("lsqr", covariance_estimator=OAS(), priors=priors / priors.sum(), **task.parameters)
    )
    # The library asks for more rows than classes; one that stands twice changes nothing.
    twice = 2 if len(rows.y) <= task.classes else 1
    X, y = np.repeat(rows.X.astype(np.float64), twice, axis=0), np.repeat(rows.y, twice)
    temperature, folds = 1.0, min(_FOLDS, int(np.bincount(rows.y, minlength=task.classes).min()))
    with warnings.catch_warnings():
        # A class of one row has no covariance, and takes that of the others.
        warnings.filterwarnings("ignore", "Only one sample available")
        if folds > 1 and len(y) * (folds - 1) // folds > task.classes:
            # With many features for so few rows it is far too sure of rows that it has not learned from.
            splits = StratifiedKFold(folds, shuffle=True, random_state=0)
            temperature = fit_temperature(softmax(_logits(cross_val_predict(model, X, y, cv=splits, **_LOGITS))), y)
        model.fit(X, y)
    return _as_linear(model, task, temperature)


_FOLDS = 5
_LOGITS = MappingProxyType({"method": "decision_function"})


def _logits(decision: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return one logit for each class; of two classes the library gives that of the second."""
    return decision if decision.ndim > 1 else np.column_stack([np.zeros_like(decision), decision])


def _on_squashed(linear: Any) -> Any:
    """Return a pipeline that standardises and squashes features first; in double precision, as squares reach 1e14."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    return make_pipeline(StandardScaler(), FunctionTransformer(squash), linear)


def _as_linear(model: Any, task: Task, temperature: float = 1.0) -> Fitted:
    """Return such a fitted pipeline as arrays, its logits divided by a temperature."""
    scaler, linear = model[0], model[-1]
    coefficients, bias = linear.coef_.T, linear.intercept_
    if task.classes == 2:
        # One logit, of the second class.
        coefficients, bias = (np.hstack([np.zeros_like(each), each]) for each in (coefficients, bias))
    return Fitted(
        lambda X: softmax(_logits(model.decision_function(X.astype(np.float64))) / temperature),
        LinearModel(scaler.mean_, scaler.scale_, coefficients / temperature, bias / temperature),
    )


def _fit_random_forest(rows: Learned, task: Task) -> Fitted:
    from sklearn.ensemble import RandomForestClassifier

    model = RandomForestClassifier(random_state=task.seed, n_jobs=task.threads, **task.parameters)
    # Threads of a forest may lose the filters of warnings.
    with warnings.catch_warnings():
        model.fit(rows.X, rows.y, sample_weight=rows.weights)

    def predict(X: NDArray[np.float32]) -> NDArray[np.float64]:
        with warnings.catch_warnings():
            return np.asarray(model.predict_proba(X))

    def trees() -> Iterator[Tree]:
        for estimator in model.estimators_:
            tree = estimator.tree_
            value = tree.value[:, 0, :] / tree.value[:, 0, :].sum(axis=1, keepdims=True)
            yield Tree(tree.children_left, tree.children_right, tree.feature, tree.threshold, value)

    return Fitted(predict, TreeModel.from_trees(trees(), inputs=rows.X.shape[1], outputs=task.classes, link="mean"))


def _fit_gradient_boosting(rows: Learned, task: Task) -> Fitted:
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(random_state=task.seed, **task.parameters).fit(
        rows.X, rows.y, sample_weight=rows.weights
    )

    def trees() -> Iterator[Tree]:
        # scikit-learn has no public name for these; what they give is compared with its prediction.
        for of_iteration in model._predictors:
            for number, predictor in enumerate(of_iteration):
                nodes, leaf = predictor.nodes, predictor.nodes["is_leaf"].astype(bool)
                left, right = (np.where(leaf, -1, nodes[side].astype(np.int64)) for side in ("left", "right"))
                # Of two classes only the second has trees.
                value = _in_column(nodes["value"], number + (task.classes == 2), task.classes)
                yield Tree(left, right, nodes["feature_idx"], nodes["num_threshold"], value)

    base = np.ravel(model._baseline_prediction).astype(np.float64)
    if task.classes == 2:
        base = np.concatenate([[0.0], base])
    return Fitted(
        model.predict_proba,
        TreeModel.from_trees(trees(), inputs=rows.X.shape[1], outputs=task.classes, link="softmax", base=base),
    )


def _fit_xgboost(rows: Learned, task: Task) -> Fitted:
    import xgboost

    options = {
        "objective": "multi:softprob",
        "num_class": task.classes,
        "nthread": task.threads,
        "seed": task.seed,
        "verbosity": 0,
    }
    options |= {name: value for name, value in task.parameters.items() if name != "num_boost_round"}
    booster = xgboost.train(
        options, xgboost.DMatrix(rows.X, label=rows.y, weight=rows.weights), task.parameters["num_boost_round"]
    )
    learner = json.loads(bytes(booster.save_raw("json")))["learner"]
    model = learner["gradient_booster"]["model"]

    def trees() -> Iterator[Tree]:
        for tree, number in zip(model["trees"], model["tree_info"], strict=True):
            left, right, feature = (
                np.array(tree[name], dtype=np.int64) for name in ("left_children", "right_children", "split_indices")
            )
            condition = np.array(tree["split_conditions"], dtype=np.float32)
            # XGBoost goes left below the threshold, not at it; and a leaf keeps its value there.
            threshold = np.nextafter(condition, np.float32(-np.inf)).astype(np.float64)
            yield Tree(left, right, feature, threshold, _in_column(condition, int(number), task.classes))

    # One number for all classes in older versions, a list in newer ones.
    base = np.array(json.loads(f"[{learner['learner_model_param']['base_score'].strip('[]')}]"), dtype=np.float64)
    return Fitted(
        lambda X: booster.predict(xgboost.DMatrix(X)),
        TreeModel.from_trees(
            trees(),
            inputs=rows.X.shape[1],
            outputs=task.classes,
            link="softmax",
            base=np.broadcast_to(base, task.classes).copy(),
        ),
    )


def _in_column(values: NDArray[Any], column: int, columns: int) -> NDArray[np.float64]:
    matrix = np.zeros((len(values), columns))
    matrix[:, column] = values
    return matrix


# Chosen by log loss, in cross-validation on rows of GTZAN that neither the track protocol (seed 0) nor the
# fault-filtered one tests on, and from the latter's training to its validation rows.
_VARIANTS = (
    BaselineVariant(
        "majority",
        "the share of each class among the training rows, whatever the features are",
        _fit_majority,
        MappingProxyType({"strategy": "prior"}),
    ),
    BaselineVariant(
        "logistic-regression",
        "multinomial logistic regression with an L2 penalty",
        _fit_logistic_regression,
        MappingProxyType({"C": 0.3, "max_iter": 2000}),
        normalisation=NORMALISATION,
    ),
    BaselineVariant(
        "discriminant-analysis",
        "linear discriminant analysis with the covariance shrunk (Chen, Wiesel, Eldar and Hero, IEEE Transactions on "
        "Signal Processing 58, 2010), and a temperature found by cross-validation on the training rows",
        _fit_discriminant_analysis,
        normalisation=NORMALISATION,
    ),
    BaselineVariant(
        "random-forest",
        "random forest (Breiman, Machine Learning 45, 2001)",
        _fit_random_forest,
        # Depth and leaves are bounded only so that a large table does not give a model of gigabytes.
        MappingProxyType({"n_estimators": 300, "max_features": "sqrt", "max_depth": 32, "max_leaf_nodes": 4096}),
        large=MappingProxyType({"min_samples_leaf": 3}),
    ),
    BaselineVariant(
        "gradient-boosting",
        "gradient boosting of trees on binned features (scikit-learn's HistGradientBoostingClassifier)",
        _fit_gradient_boosting,
        MappingProxyType(
            {
                "learning_rate": 0.05,
                "max_iter": 150,
                "max_leaf_nodes": 8,
                "min_samples_leaf": 5,
                "l2_regularization": 1.0,
                "max_features": 0.1,
                "early_stopping": False,
            }
        ),
        large=MappingProxyType({"max_leaf_nodes": 31, "min_samples_leaf": 20, "max_features": 0.3}),
        huge=MappingProxyType({"max_iter": 60, "learning_rate": 0.15, "max_leaf_nodes": 63}),
    ),
    BaselineVariant(
        "xgboost",
        "gradient boosting of trees (Chen and Guestrin, KDD 2016)",
        _fit_xgboost,
        MappingProxyType(
            {
                "num_boost_round": 300,
                "learning_rate": 0.05,
                "max_depth": 4,
                "subsample": 0.8,
                "colsample_bynode": 0.2,
                "tree_method": "hist",
            }
        ),
        package="xgboost",
        large=MappingProxyType({"max_depth": 8, "subsample": 0.7, "colsample_bynode": 0.3, "min_child_weight": 4}),
        huge=MappingProxyType({"num_boost_round": 100, "learning_rate": 0.15, "subsample": 0.3}),
    ),
)

BASELINES = MappingProxyType({variant.name: variant for variant in _VARIANTS})
"""Every baseline by its name."""


def get_baselines(name: str) -> tuple[BaselineVariant, ...]:
    """Return the baseline of a name, or all whose packages are installed.

    Examples
    --------
    >>> [variant.name for variant in get_baselines("random-forest")]
    ['random-forest']
    """
    if name == _ALL:
        return tuple(variant for variant in BASELINES.values() if variant.available)
    if name not in BASELINES:
        raise ParameterError(f"The variant {name!r} is unknown; choose one of {', '.join(BASELINES)} or all.")
    variant = BASELINES[name]
    if not variant.available:
        raise ParameterError(
            f"The variant {name!r} needs the package {variant.package}, which is not installed; run "
            f"`{install_command(variant.package)}`."
        )
    return (variant,)


class Baseline:
    """A baseline on its way: its name, and once it is fitted, the model.

    Attributes
    ----------
    name : str
        Name of its bundle.
    fitted : Fitted
        The model; only there after the fit.
    """

    name: str
    fitted: Fitted


class BaselineLearner(VectorLearner):
    """A baseline on a feature table."""

    kind = "baseline"

    def __init__(self, dataset: Vectors, variant: BaselineVariant, balance: str = "none") -> None:
        super().__init__(dataset, variant.name, variant.normalisation, balance)
        self.variant = variant

    @property
    def options(self) -> tuple[str, ...] | None:
        """Options of ``audio-genre train baseline`` that give these settings."""
        is_known = self.variant == BASELINES.get(self.variant.name)
        return ("--variant", self.variant.name, *self.balance_options) if is_known else None

    @property
    def settings(self) -> Mapping[str, Any]:
        """Everything that decides how the baseline learns."""
        return {"name": self.variant.name, "parameters": dict(self.parameters), **self.balance_settings}

    @cached_property
    def tracks(self) -> int:
        """Number of tracks of the table, which decides how large trees may grow."""
        return len(np.unique(self.dataset.groups))

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Parameters for so many tracks."""
        return self.variant.parameters_for(self.tracks)

    def set_seed(self, seed: int) -> None:
        """Leave every global generator alone: a baseline draws from the seed that `fit` gets."""

    def build(self, split: Split) -> Baseline:  # noqa: ARG002
        """Return an empty model."""
        return Baseline()

    def fit(self, model: Baseline, split: Split, y: NDArray[np.intp], seed: int, options: FitOptions) -> FitResult:  # noqa: ARG002
        """Fit the baseline on the training rows."""
        # Loaded first, so that its threads are there to be limited.
        import sklearn.ensemble  # noqa: F401
        from threadpoolctl import threadpool_limits

        variant, table, rows = self.variant, self.dataset, self.learned(split, y, seed)
        started = time.perf_counter()
        # One thread: the order of sums, and so the model, does not depend on the machine, and tables are small.
        threads = 1 if self.tracks < HUGE_TRACKS else usable_cores()
        with threadpool_limits(limits=threads):
            model.fitted = variant.fit(rows, Task(len(table.classes), self.parameters, seed, threads))
        return FitResult((), best_epoch=0, seconds=time.perf_counter() - started, interrupted=False)

    def joined(self, models: Sequence[Any], split: Split, y: NDArray[np.intp], seed: int) -> Baseline:  # noqa: ARG002
        """Return the baseline fitted on all training rows."""
        model = Baseline()
        self.fit(model, split, y, seed, FitOptions())
        return model

    def predict(self, model: Baseline, rows: NDArray[np.intp], report: Report | None = None) -> NDArray[np.float32]:  # noqa: ARG002
        """Predict rows of the table, with what the bundle will hold."""
        return self.answer(model, self.dataset.X[rows])

    def answer(self, model: Baseline, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Predict with what the bundle will hold, or many rows with what it was made from."""
        if len(X) < _MANY_ROWS:
            return model.fitted.exported(X)
        return np.asarray(model.fitted.check(X), dtype=np.float32)

    def check(self, model: Baseline, X: NDArray[np.float32]) -> NDArray[Any]:
        """Predict with the library that fitted the baseline."""
        return model.fitted.check(X)

    def exported(self, model: Baseline) -> ArrayModel:
        """Return the baseline as arrays."""
        return model.fitted.exported

    def facts(self) -> dict[str, Any]:
        """Return what it is and what the fit has seen."""
        return {**super().facts(), "description": self.variant.description, "fitted_on": _FITTED_ON}
