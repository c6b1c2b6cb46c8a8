"""No loader that can run code from a file is called anywhere in the product."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("trainingday", "sessions", "strategies", "patterns")
FORBIDDEN_MODULES = {
    "pickle",
    "cPickle",
    "_pickle",
    "cloudpickle",
    "dill",
    "joblib",
    "shelve",
    "marshal",
    "jsonpickle",
}
FORBIDDEN_ATTRIBUTES = {
    "load_replay_buffer",
    "load_from_zip_file",
    "load_from_pkl",
    "read_pickle",
    "set_parameters",
    "unsafe_load",
    "full_load",
}
# `.load(` of these is a loader that can unpickle: SB3's algorithms, policies and normalisers, and torch.
LOADING_CLASSES = {
    "PPO", "DQN", "A2C", "SAC", "TD3", "DDPG", "QRDQN", "RecurrentPPO", "BaseAlgorithm", "BasePolicy",
    "ActorCriticPolicy", "DQNPolicy", "MlpPolicy", "VecNormalize", "torch", "th", "model", "algorithm", "agent",
    "type", "yaml", "jit",
}  # fmt: skip


def unsafe_loaders(source: str) -> list[str]:
    """Return what is unsafe in a module's source, one line each."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".")[0] for alias in node.names]
            found += [f"{node.lineno}: imports {name}" for name in names if name in FORBIDDEN_MODULES]
        elif isinstance(node, ast.ImportFrom):
            module = (node.module or "").split(".")[0]
            names = {alias.name for alias in node.names}
            if module in FORBIDDEN_MODULES or names & FORBIDDEN_ATTRIBUTES:
                found.append(f"{node.lineno}: imports from {node.module}")
            if module in {"torch", "numpy", "yaml", "optuna"} and "load" in names:
                found.append(f"{node.lineno}: imports load from {module}")
        elif isinstance(node, ast.Call):
            found += _unsafe_call(node)
    return found


def _unsafe_call(node: ast.Call) -> list[str]:
    arguments = {keyword.arg: keyword.value for keyword in node.keywords}
    pickled = arguments.get("allow_pickle")
    if pickled is not None and not (isinstance(pickled, ast.Constant) and pickled.value is False):
        return [f"{node.lineno}: allow_pickle"]
    if isinstance(node.func, ast.Name):
        dynamic = node.func.id in {"eval", "exec", "__import__"}
        return [f"{node.lineno}: calls {node.func.id}"] if dynamic else []
    if not isinstance(node.func, ast.Attribute):
        return []
    called, owner = node.func.attr, _innermost(node.func.value)
    if called in FORBIDDEN_ATTRIBUTES:
        return [f"{node.lineno}: calls {called}"]
    if called == "load" and owner in LOADING_CLASSES:
        return [f"{node.lineno}: calls {owner}.load"]
    if called == "load" and owner in {"np", "numpy"} and pickled is None:
        return [f"{node.lineno}: np.load should say allow_pickle=False"]
    return []


def _innermost(node: ast.expr) -> str:
    """Return the last name before `.load`: `stable_baselines3.PPO` is PPO, `type(model)` is type."""
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Call):
        return _innermost(node.func)
    return node.id if isinstance(node, ast.Name) else ""


def _modules() -> list[Path]:
    return sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))


def test_the_product_has_modules_to_check() -> None:
    names = {file.relative_to(ROOT).as_posix() for file in _modules()}
    assert {"trainingday/artifacts.py", "sessions/rl/training.py", "trainingday/policy/storage.py"} <= names


def test_no_module_of_the_product_can_unpickle() -> None:
    found = {
        file.relative_to(ROOT).as_posix(): problems
        for file in _modules()
        if (problems := unsafe_loaders(file.read_text()))
    }
    assert found == {}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import pickle as p",
        "from pickle import loads",
        "import cloudpickle",
        "import joblib",
        "from torch import load",
        "import torch\ntorch.load('x')",
        "import torch\ntorch.load('x', weights_only=True)",
        "torch.jit.load('x')",
        "PPO.load('x')",
        "stable_baselines3.DQN.load('x', env=env)",
        "A2C.load(path=p, custom_objects={})",
        "type(model).load('x')",
        "model.load('x')",
        "VecNormalize.load('x', venv)",
        "vec_normalize.VecNormalize.load('x', venv)",
        "ActorCriticPolicy.load('x')",
        "model.load_replay_buffer('x')",
        "from stable_baselines3.common.save_util import load_from_zip_file",
        "model.set_parameters('x.zip')",
        "np.load('x')",
        "np.load('x', allow_pickle=True)",
        "np.load('x', allow_pickle=flag)",
        "pd.read_pickle('x')",
        "eval(text)",
        "__import__('pickle')",
    ],
)
def test_each_unsafe_loader_is_found(source: str) -> None:
    assert unsafe_loaders(source)


@pytest.mark.parametrize(
    "source",
    [
        "store.load(name)",
        "np.load('x', allow_pickle=False)",
        "json.loads(text)",
        "net.load_state_dict(other)",
    ],
)
def test_a_safe_loader_is_let_pass(source: str) -> None:
    assert unsafe_loaders(source) == []
