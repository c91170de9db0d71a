"""What a program that is traced knows of the device for which it is."""

from types import SimpleNamespace

import jax
import pytest

from sweepjax.primitives.hardware import slow_float64


@pytest.mark.parametrize(
    ("platform", "kind", "slow"),
    [
        ("gpu", "NVIDIA L40S", True),
        ("gpu", "NVIDIA GeForce RTX 4090", True),
        ("gpu", "NVIDIA A10", True),
        ("gpu", "NVIDIA B300", True),
        ("gpu", "NVIDIA A100-SXM4-80GB", False),
        ("gpu", "NVIDIA H200", False),
        ("gpu", "Tesla V100-SXM2-16GB", False),
        ("gpu", "AMD Instinct MI300X", False),
        ("cpu", "cpu", False),
    ],
)
def test_float64_is_slow_on_gpus_that_are_not_made_for_it(platform, kind, slow, monkeypatch):
    devices = [SimpleNamespace(platform=platform, device_kind=kind)]
    monkeypatch.setattr(jax, "local_devices", lambda **_: devices)
    assert slow_float64() is slow


def test_the_device_that_is_chosen_counts_and_not_the_first_one(monkeypatch):
    cpu = jax.devices("cpu")[0]
    monkeypatch.setattr(jax, "local_devices", lambda **_: [SimpleNamespace(platform="gpu", device_kind="NVIDIA L4")])
    assert slow_float64()
    with jax.default_device(cpu):
        assert not slow_float64()
