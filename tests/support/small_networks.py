"""Small networks with random weights of every architecture that spandrel loads and that maps a picture to a picture."""

from __future__ import annotations

import importlib
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

# Networks that add noise of their own: two runs agree only if torch's generator is seeded before each.
RANDOM = frozenset({"AuraSR"})


def _make(architecture: str, name: str | None = None, **arguments: Any) -> torch.nn.Module:
    """Makes a network of class ``name`` of an architecture; only that architecture is imported by name."""
    module = importlib.import_module(f"spandrel.architectures.{architecture}")
    network: torch.nn.Module = getattr(module, name or architecture)(**arguments)
    return network


def _network(architecture: str, name: str | None = None, **arguments: Any) -> Callable[[], torch.nn.Module]:
    return partial(_make, architecture, name, **arguments)


def _half() -> torch.nn.Module:
    """Makes a network whose weights are stored as float16."""
    return _make("Compact", num_feat=8, num_conv=2, upscale=2).half()


def _swin(architecture: str, **arguments: Any) -> Callable[[], torch.nn.Module]:
    """Describes a network of windows; the second block of a group of two is the one with shifted windows."""
    sizes = {"img_size": 16, "embed_dim": 8, "depths": [2, 2], "num_heads": [2, 2], "window_size": 8, "mlp_ratio": 2.0}
    return _network(architecture, **{**sizes, "img_range": 1.0, **arguments})


_ESRGAN = partial(_network, "ESRGAN", num_filters=8, num_blocks=1)
_COMPACT = partial(_network, "Compact", num_feat=8, num_conv=2)
_SPAN = partial(_network, "SPAN", num_in_ch=3, num_out_ch=3, feature_channels=8)
_PLKSR = partial(_network, "PLKSR", dim=8, n_blocks=2)
_REAL_PLKSR = partial(_network, "PLKSR", "RealPLKSR", dim=8, n_blocks=2)
_MOSR = partial(_network, "MoSR", n_block=2, dim=8)
_MOESR = partial(_network, "MoESR", n_blocks=1, n_block=2, dim=8, upsample_dim=8)
_FDAT = partial(_network, "FDAT", embed_dim=16, num_groups=2, depth_per_group=1, num_heads=2, mid_dim=16)
_DAT = partial(_network, "DAT", img_size=16, embed_dim=96, split_size=[2, 4], num_heads=[2], expansion_factor=2.0)
# With fewer channels, the layers of positions in these three have none.
_CRAFT = partial(_network, "CRAFT", embed_dim=96, depths=[2], num_heads=[2])
_RCAN = partial(_network, "RCAN", n_resgroups=1, n_resblocks=2, n_feats=16, reduction=4)
_ATD = partial(_swin, "ATD", img_size=64, num_tokens=8, reducted_dim=2, category_size=256)
_GRL = partial(
    _network,
    "GRL",
    embed_dim=36,
    depths=[2, 2],
    num_heads_window=[2, 2],
    num_heads_stripe=[2, 2],
    stripe_shift=True,
    mlp_ratio=2.0,
    anchor_window_down_factor=4,
    local_connection=True,
)
_UNET = {"nc": [8, 8, 16, 16], "nb": 2}

NETWORKS: dict[str, Callable[[], torch.nn.Module]] = {
    "ATD": _ATD(upscale=2, upsampler="pixelshuffledirect"),
    "ATD-pixelshuffle": _ATD(upscale=3, upsampler="pixelshuffle"),
    "ATD-nearest": _ATD(upscale=4, upsampler="nearest+conv"),
    "ATD-x1": _ATD(upscale=1, upsampler=""),
    "AuraSR": _network(
        "AuraSR",
        dim=8,
        image_size=None,
        input_image_size=None,
        init_dim=8,
        style_network={"dim_in": 8, "dim_out": 32, "depth": 2},
        up_dim_mults=(1, 1, 1, 2, 2),
        down_dim_mults=(1, 2, 2),
        self_attn_dim_head=4,
        attn_depths=(1, 1, 1, 1, 1),
        mid_attn_depth=1,
        num_conv_kernels=2,
        skip_connect_scale=0.4,
    ),
    "CRAFT": _CRAFT(upscale=2),
    "CRAFT-x4": _CRAFT(upscale=4),
    "Compact": _COMPACT(upscale=4),
    "Compact-x1": _COMPACT(upscale=1),
    "Compact-x2": _COMPACT(upscale=2),
    "Compact-x3": _COMPACT(upscale=3),
    "Compact-x8": _COMPACT(upscale=8),
    "Compact-x16": _COMPACT(upscale=16),
    "Compact-1channel": _COMPACT(upscale=2, num_in_ch=1, num_out_ch=1),
    "Compact-half": _half,
    "DAT": _DAT(depth=[3], upscale=2, img_size=64),
    "DAT-light": _DAT(depth=[3], upscale=4, resi_connection="3conv", upsampler="pixelshuffledirect"),
    "DCTLSA": _network("DCTLSA", nf=10, num_modules=6, upscale=4),
    "DITN": _network("DITN", dim=8, ITL_blocks=1, SAL_blocks=2, UFONE_blocks=2, upscale=2),
    "DRCT": _swin("DRCT", upscale=4, upsampler="pixelshuffle", depths=(6, 6), gc=4, img_size=32, window_size=16),
    "DRUNet": _network("DRUNet", in_nc=4, out_nc=3, **_UNET),
    "DRUNet-1channel": _network("DRUNet", in_nc=2, out_nc=1, **_UNET),
    "DnCNN": _network("DnCNN", in_nc=3, out_nc=3, nc=8, nb=5, act_mode="BR"),
    "DnCNN-1channel": _network("DnCNN", in_nc=1, out_nc=1, nc=8, nb=9, act_mode="R"),
    "DnCNN-FDnCNN": _network("DnCNN", in_nc=4, out_nc=3, nc=8, nb=9, act_mode="R", mode="FDnCNN"),
    "ESRGAN": _ESRGAN(scale=4),
    "ESRGAN-x1": _ESRGAN(scale=1),
    "ESRGAN-x2": _ESRGAN(scale=2),
    "ESRGAN-x8": _ESRGAN(scale=8),
    "ESRGAN-x16": _ESRGAN(scale=16),
    "ESRGAN-plus": _ESRGAN(scale=4, plus=True),
    "ESRGAN-x2-pixelunshuffle": _ESRGAN(scale=4, in_nc=12, shuffle_factor=2),
    "ESRGAN-x1-pixelunshuffle": _ESRGAN(scale=4, in_nc=48, shuffle_factor=4),
    "ESRGAN-1channel": _ESRGAN(scale=2, in_nc=1, out_nc=1),
    "ESRGAN-4channel": _ESRGAN(scale=2, in_nc=4, out_nc=4),
    "FBCNN": _network("FBCNN", nc=[8, 8, 8, 512], nb=2),
    "FDAT": _FDAT(scale=4, upsampler_type="transpose+conv"),
    "FDAT-pixelshuffle": _FDAT(scale=2, upsampler_type="pixelshuffle"),
    "FDAT-pixelunshuffle": _FDAT(scale=2, upsampler_type="pixelshuffledirect", unshuffle_mod=True),
    "FFTformer": _network("FFTformer", dim=8, num_blocks=[1, 1, 1], num_refinement_blocks=1, ffn_expansion_factor=2),
    # The sizes of the windows are not in the weights: these are those that spandrel assumes.
    "GRL": _GRL(upscale=2, upsampler="pixelshuffledirect", window_size=32, stripe_size=[64, 64]),
    "GRL-nearest": _GRL(upscale=4, upsampler="nearest+conv", window_size=16, stripe_size=[32, 64]),
    "GRL-x1": _GRL(upscale=1, upsampler="", window_size=8, stripe_size=[8, 8]),
    "HAT": _swin("HAT", upscale=4, compress_ratio=2, squeeze_factor=2, overlap_ratio=0.5),
    "HVICIDNet": _network("HVICIDNet", channels=[8, 8, 8, 16], heads=[1, 2, 2, 4]),
    "IPT": _network("IPT", patch_size=12, n_feats=8, scale=[2], num_layers=1),
    "KBNet-s": _network("KBNet", "KBNet_s", width=8, middle_blk_num=1, enc_blk_nums=[1, 1], dec_blk_nums=[1, 1]),
    "KBNet-l": _network(
        "KBNet",
        "KBNet_l",
        dim=12,
        num_blocks=[1] * 4,
        num_refinement_blocks=1,
        heads=[1, 2, 2, 4],
        ffn_expansion_factor=2,
    ),
    "MMRealSR": _network(
        "MMRealSR",
        num_in_ch=3,
        num_out_ch=3,
        num_feat=8,
        num_block=1,
        num_grow_ch=4,
        num_feats=[8, 8],
        num_blocks=[1, 1],
        downscales=[2, 1],
    ),
    "MixDehazeNet": _network("MixDehazeNet", embed_dims=[12, 16, 16, 16, 12], depths=[1, 1, 1, 1, 1]),
    "MoESR": _MOESR(scale=4, upsampler="pixelshuffledirect"),
    "MoESR-dysample": _MOESR(scale=2, upsampler="dysample"),
    "MoESR-nearest": _MOESR(scale=4, upsampler="nearest+conv"),
    "MoESR-x1": _MOESR(scale=1, upsampler="conv"),
    "MoSR": _MOSR(upscale=4, upsampler="ps"),
    "MoSR-dysample": _MOSR(upscale=2, upsampler="dys"),
    "MoSR-gps": _MOSR(upscale=2, upsampler="gps"),
    "NAFNet": _network("NAFNet", width=8, middle_blk_num=1, enc_blk_nums=[1, 1], dec_blk_nums=[1, 1]),
    "OmniSR": _network("OmniSR", num_feat=16, block_num=1, res_num=2, up_scale=2),
    "PLKSR": _PLKSR(upscaling_factor=4),
    "PLKSR-sparse": _PLKSR(upscaling_factor=2, lk_type="SparsePLK", ccm_type="DCCM"),
    "PLKSR-rectangular": _PLKSR(upscaling_factor=3, lk_type="RectSparsePLK", ccm_type="ICCM", use_ea=False),
    "PLKSR-RealPLKSR": _REAL_PLKSR(upscaling_factor=4),
    "PLKSR-RealPLKSR-dysample": _REAL_PLKSR(upscaling_factor=2, dysample=True, layer_norm=True),
    "RCAN": _RCAN(scale=4),
    "RCAN-pixelunshuffle": _RCAN(scale=2, unshuffle_mod=True, norm=False),
    "RGT": _network("RGT", embed_dim=96, depth=[3], num_heads=[2], mlp_ratio=2.0, upscale=2),
    "RealCUGAN": _network("RealCUGAN", "UpCunet2x"),
    "RealCUGAN-pro": _network("RealCUGAN", "UpCunet2x", pro=True),
    "RealCUGAN-x3": _network("RealCUGAN", "UpCunet3x"),
    "RealCUGAN-x4": _network("RealCUGAN", "UpCunet4x"),
    "RealCUGAN-fast": _network("RealCUGAN", "UpCunet2x_fast"),
    "RetinexFormer": _network("RetinexFormer", n_feat=8, stage=2),
    "SAFMN": _network("SAFMN", dim=8, n_blocks=2, upscaling_factor=2),
    "SAFMNBCIE": _network("SAFMNBCIE", dim=8, n_blocks=1, num_layers=2),
    "SCUNet": _network("SCUNet", config=[2, 1, 1, 1, 1, 1, 2], dim=64),
    "SPAN": _SPAN(upscale=4, img_range=255.0),
    "SPAN-x1": _SPAN(upscale=1, norm=False),
    "SPAN-x2": _SPAN(upscale=2),
    "SPAN-x8": _SPAN(upscale=8, norm=False),
    "SeemoRe": _network("SeemoRe", scale=4, num_experts=3, num_layers=2, embedding_dim=8),
    "SwiftSRGAN": _network("SwiftSRGAN", num_channels=8, num_blocks=2, upscale_factor=4),
    "Swin2SR": _swin("Swin2SR", upscale=2, upsampler="pixelshuffle", img_size=64),
    "Swin2SR-direct": _swin("Swin2SR", upscale=4, upsampler="pixelshuffledirect"),
    "Swin2SR-nearest": _swin("Swin2SR", upscale=4, upsampler="nearest+conv"),
    "Swin2SR-x1": _swin("Swin2SR", upscale=1, upsampler=""),
    # Masks of inputs of 64×64 are kept with the weights and used for that size alone: exports at that size are wrong
    # at others.
    "SwinIR": _swin("SwinIR", upscale=2, upsampler="pixelshuffle", img_size=64),
    "SwinIR-direct": _swin("SwinIR", upscale=4, upsampler="pixelshuffledirect"),
    "SwinIR-nearest": _swin("SwinIR", upscale=4, upsampler="nearest+conv", resi_connection="3conv"),
    "SwinIR-x1": _swin("SwinIR", upscale=1, upsampler=""),
    "Uformer": _network("Uformer", embed_dim=8, num_heads=[1, 2, 2, 2, 2, 2, 2, 2, 2]),
}


# Spread of a weight, times the root of the number of its inputs. Many transformers start with far smaller weights,
# with which attention is uniform and whole layers do not influence the output. The largest values of the output grow
# with it; those here bring them to between about 0.5 and 3. The longest name that matches counts.
GAINS = {
    "": 0.8,
    "ATD-nearest": 1.2,
    "AuraSR": 0.9,
    "Compact": 1.2,
    "DAT": 0.9,
    "DCTLSA": 0.7,
    "DITN": 0.9,
    "DRUNet": 0.9,
    "DnCNN": 1.2,
    "ESRGAN": 1.2,
    "ESRGAN-plus": 1.0,
    "FDAT": 0.75,
    "FFTformer": 0.7,
    "GRL-x1": 0.6,
    "HAT": 0.9,
    "HVICIDNet": 0.7,
    "IPT": 0.9,
    "KBNet-s": 0.6,
    "MMRealSR": 1.2,
    "MoESR": 0.7,
    "MoESR-nearest": 1.0,
    "MoSR": 0.7,
    "PLKSR": 0.7,
    "PLKSR-RealPLKSR": 0.5,
    "PLKSR-RealPLKSR-dysample": 0.9,
    "RCAN": 0.9,
    "RCAN-pixelunshuffle": 0.75,
    "RGT": 0.9,
    "RealCUGAN": 0.9,
    "SAFMN": 0.6,
    "SAFMNBCIE": 0.75,
    "SCUNet": 0.7,
    "SwiftSRGAN": 1.1,
    "Swin2SR-nearest": 1.0,
    "SwinIR": 0.7,
    "SwinIR-nearest": 1.2,
    "Uformer": 0.6,
}


def _randomise(parameter: torch.nn.Parameter, gain: float) -> None:
    """Gives a parameter an influence on the output that does not vanish, unlike the first values of some."""
    import torch

    if parameter.numel() == 0:
        return
    noise = torch.randn_like(parameter)
    inputs = parameter.numel() // len(parameter) if parameter.ndim else 1
    spread = parameter.std(correction=0)
    if spread > 0 and parameter.ndim >= 2:
        parameter.mul_(gain / (spread * inputs**0.5)).clamp_(-1.5, 1.5)
    elif spread == 0 and parameter.abs().max() < 0.1:
        # Biases and scales of branches that start as zero or as next to it.
        parameter.add_((0.05 if parameter.ndim == 1 else 0.3) * noise)
    elif spread == 0:
        # Factors of norms, temperatures.
        parameter.mul_(1 + 0.1 * noise)


def small_network(name: str) -> torch.nn.Module:
    """Makes one of the `NETWORKS`, the same one each time, in evaluation mode and float32."""
    import torch

    gain = GAINS[max((prefix for prefix in GAINS if name.startswith(prefix)), key=len)]
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        network = NETWORKS[name]().float()
        for parameter in network.parameters():
            # Those without gradients are constants, such as the mean of a data set.
            if parameter.requires_grad:
                _randomise(parameter, gain)
        for module in network.modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
            if hasattr(module, "update_params"):
                # SPAN: the weights that are used come from those of several convolutions.
                module.update_params()
        if name.startswith("SPAN") and network.is_norm:
            # SPAN: the input is multiplied by 255, which trained weights undo.
            network.upsampler[0].weight.mul_(0.01)
    return network.eval()
