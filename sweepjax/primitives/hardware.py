"""What a program that is being traced has to know of the device for which it is."""

import jax

# GPUs whose float64 is half as fast as their float32 or as fast. Of all others it is a 32nd or a 64th.
FULL_FLOAT64 = ("P100", "V100", "A100", "A800", "A30", "H100", "H200", "H800", "GH200", "B100", "B200", "GB200", "MI")


def slow_float64() -> bool:
    """Whether float64 is so slow where this program is to run that float32 is worth a second proof."""
    device = jax.config.values.get("jax_default_device") or jax.local_devices()[0]
    if isinstance(device, str):
        device = jax.local_devices(backend=device)[0]
    words = device.device_kind.replace("-", " ").split()
    return device.platform == "gpu" and not any(word.startswith(FULL_FLOAT64) for word in words)
