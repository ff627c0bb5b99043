"""Checksums of the converted networks of the catalog, as the importer writes them.

They tell a cached file from one that is damaged or that somebody else has put into the cache. A
network whose file differs here, for example because another version of onnx writes it differently,
still works: it is converted whenever it is opened.

`tests/models/test_converted.py` compares them with what the importer makes, and shows the right ones.
"""

from __future__ import annotations

CONVERTED_SHA256 = {
    "tilewright-photo-x2-c220b5c2": "d2c00845af0fc347cc3df1668e96cfcb46c0df91aee0ed078b612f1528dfd99e",
    "tilewright-photo-x3-c220b5c2": "36b641af0655a83cc4f3633d7281391f4200440f46ffca6985256750023bc425",
    "tilewright-photo-x4-c220b5c2": "863d5ac5100e66593baab35d1eb6726bf8e30242c300ba4250ace9ce0549c273",
    "realesr-animevideov3-x2-157c0a10548a36f9": "27e650d2cf51989e7511e21e9f7539806d0e01cdfc8066388fd370d6842ba9c6",
    "realesr-animevideov3-x3-157c0a10548a36f9": "1ef48e2b730a5eaf1949437ea8e88d9f60f633b39191eaa2a6688c7626a6892a",
    "realesr-animevideov3-x4-157c0a10548a36f9": "c1ba64e10a801bb133c4174505bd767fa34d98f116ae08acd936e80bb43c757e",
    "realesrgan-x4plus-x2-c8a066c1713ee713": "8669b478f5736b15ad5e89e650bac1cb082850ae9d33bf9d5e2a48ac55361a6e",
    "realesrgan-x4plus-x3-c8a066c1713ee713": "45e8e1a9aa969a2afc974f1ae6d83c3cbd0b93a3e847f59930ec5a11c894c794",
    "realesrgan-x4plus-x4-c8a066c1713ee713": "2c53fe8a22c5e364944d6028d3c5fd1a8932dfb7fdb8693cba4ad5ad95e2d081",
    "realesrgan-x4plus-anime-x2-d63c7e93fe01c269": "b5bad2da90b108afc065212de64fbad9ae7b05750f38fb0b1537c73ad4af7460",
    "realesrgan-x4plus-anime-x3-d63c7e93fe01c269": "bc38584299d5d77091e8b97870f716b640d3552657d65b0bac3eb0b8f086cffd",
    "realesrgan-x4plus-anime-x4-d63c7e93fe01c269": "20b801234d7a4dad39f7f5d05f1aeef0e63ed60b051913cc0b465c028d33b4e9",
    "realsr-df2k-x2-e67d72f6a3f5eb53": "c447d9b585085760fecd8e2c5d4b285ee12ac17142a5cb4a02e4712f8dcb6c51",
    "realsr-df2k-x3-e67d72f6a3f5eb53": "c72d820530dc7d652b092dc49b65122617c278593001f078a635e6a2cd1b48bb",
    "realsr-df2k-x4-e67d72f6a3f5eb53": "0b3c9491da5c69197a44364d2997a13c9581f91cd236726755d93df573bcdb79",
    "span-x2-ch48-x2-6a0fbb7e2571a1bd": "b6d869738e45f8f3b6b5cdd8a55ebd1ec6c048f2ae8e41c9e1e906c513c4cfe5",
    "span-x2-ch52-x2-624fc8c0be6a039e": "224a6fa8c868405308a2381b2e706492b7b732309d1dcfab3ae54662ed8a7f92",
    "span-x4-ch48-x2-d2a0eef1ca85ff72": "71bb6919e734d68a8846d696ba6daeffd614467c51a2dab913e519d51f112d28",
    "span-x4-ch48-x3-d2a0eef1ca85ff72": "405406d9dc0833e17449f96570a218875b599e39ce8c8a8fac9bef88891aa30a",
    "span-x4-ch48-x4-d2a0eef1ca85ff72": "73b01fe21576491512b8a212c2bb7bf258affee7fde708f3b9ba846acdc3691f",
    "span-x4-ch52-x2-ba88b9ba7f67f4c5": "a9e2e1d3984ba2f8c29ca4bc628e2cf302079fe4fd1e439d0db5805e16d1cc90",
    "span-x4-ch52-x3-ba88b9ba7f67f4c5": "82f9ddbb9e95164de93167e6e8e64b86b83ac12f38149426215269ee0d1b8e31",
    "span-x4-ch52-x4-ba88b9ba7f67f4c5": "50d93b2838c0e7c15f7e90e12f62d83cab219c7a5d2a9c3965eb0155ad7a03a7",
    "realcugan-se-x2-91efac7491c72c13": "881e77539327d653745c580bf076a6c73ad1b2752caebceb571d8af3136ee7b4",
    "realcugan-se-x2-91efac747f135a71": "cc54f1f9e2f42eb3b09efd3f15dd7e1ca12b9d2d99f3aca26ae684588a6acda6",
    "realcugan-se-x2-91efac7409373c4f": "5b390059d0dfed50aa00b660b6aa10d54236b0a8986e2a5e79e51f47d8289d14",
    "realcugan-se-x2-91efac7447427a52": "b76cba3c84508d8efd246dc713c4dba6a6a10e1c0d3fd740cd39ab642a2ead66",
    "realcugan-se-x2-91efac74610ebae6": "2b9ee8233ab92987ce41144db8c43cf210643e4edb0ddb19b4a98dcc3e79d164",
    "realcugan-se-x3-9e71ba0b8321c450": "c7a80dffc3e356b39d75e183602593b54393ffcd599db0e76e285c499e0a74bb",
    "realcugan-se-x3-9e71ba0be22e8e64": "5d282fa79b364c65aedbb3b949862daa90b6b9c072119a8f2b2101187ee9cae0",
    "realcugan-se-x3-9e71ba0bfdb26903": "c525d9f31146ce0c88292ff4cc2822992952951bf71f7c036af4542ce3adb327",
    "realcugan-se-x4-63e8f6a51ffde324": "ad4155959f030dd472441392a36d2363901ee13aef6f919010a653178e7285a0",
    "realcugan-se-x4-63e8f6a5aa3d9bda": "bfc475efc2f7b2fe9b2afd307c80a2d7203043429437bec7feb33be5c2fbc394",
    "realcugan-se-x4-63e8f6a51fe05d60": "9076cfce67b5dbc30ac68a4af482afdc1e91cb626b93f744a58b696841e86d4e",
    "realcugan-pro-x2-98bc0444087b4f18": "d2a97e42c714bc061fd78e995f5221d7718310b2dd4a0415af142c41f852f114",
    "realcugan-pro-x2-98bc0444d99abb32": "87c7370d0986caa25d1c60345ebcea1796789865c8ac0f2b20215ba8fab599d7",
    "realcugan-pro-x2-98bc0444815fe3bf": "2e109f934f82d58acc3bd13c6e204f51ed9ffe31a694c55974b981a22332434d",
    "realcugan-pro-x3-6cea6ddcbda92401": "074c8592fa7232ce7499f35137453f5fc575ae7ebd10a999c0bd788e2ed9b377",
    "realcugan-pro-x3-6cea6ddc2f767e54": "f39950c13da5ba99971b15dd3846047ea3f0915a25cd3de33ec4c8c93dc62032",
    "realcugan-pro-x3-6cea6ddc01a32b0f": "8ec789f79ba26a48a5dc449388cd5907641132d58b0b08ea8fba760d9d231bf7",
    "waifu2x-cunet-x2-9b06073ed82ed302": "359a4043979fc8374f71c91c971d79519f2e87fa19da9affc028de5e29694b01",
    "waifu2x-cunet-x2-9b06073e5329a937": "d0c5e9dfea87a5520c9a6fbca344ced02aefefe6ab7e86d09f309a1369174d95",
    "waifu2x-cunet-x2-9b06073e862c0e40": "8403acdfcaec6e9b746eb0401010e34b48d0c2dc904d72b1ba8a4eb70d767952",
    "waifu2x-cunet-x2-9b06073e5c836e6a": "476eaf93d3ee68e009b4b7d42e5a8bd770777f4c8b0e4f40923a107490aa2769",
    "waifu2x-cunet-x2-9b06073ef42c1861": "ac605b5aa76842ace9e8faa40a97a433478276d8a46cbbf8a65f11aee11d4068",
    "waifu2x-upconv7-anime-x2-66da0db627d88090": "447cf41bd3022df90332802feb664ab34e0e6a26ed2ed75aadb8e9dd2bd25318",
    "waifu2x-upconv7-anime-x2-66da0db6e1d2c4d9": "7cb3fbdf7486b5c307b26295468d92ccffaeb28621c660c692953f705e2603aa",
    "waifu2x-upconv7-anime-x2-66da0db6536fd707": "c654646ba1ba90864dd358883c76a3014d5b7ca54e50f5ed840dd642c38b9f46",
    "waifu2x-upconv7-anime-x2-66da0db6435f9082": "98422ae0c570cfc5490a77b3e32c42060c0a2d3afb328b3d418e544c7914ebbb",
    "waifu2x-upconv7-anime-x2-66da0db63e783a91": "1f6981896de2c8d066bba7559efb67d401c83044b83dc2c391fb69c6b4f61512",
    "waifu2x-upconv7-photo-x2-66da0db625a2bb25": "bf03f6e2e211a15416ab70b8ef96cab69e619ceac982dfb8654c6ddb4146b1b4",
    "waifu2x-upconv7-photo-x2-66da0db6fbfc8d57": "eea6e9cbbdeec8ed61fdd061ddf36fab7f245aa32efcc874ab312b08690ab4e8",
    "waifu2x-upconv7-photo-x2-66da0db69f8ce2c4": "a9022cf5dbf54226b5e62aec3bc0c9df8c747ea255139779145271b5c03e37d4",
    "waifu2x-upconv7-photo-x2-66da0db6432ca8f6": "f0e7597bc1b88f847724145333d7d96f770250bf16635585aec34fe4e9535729",
    "waifu2x-upconv7-photo-x2-66da0db6a24379eb": "b831bd81eb8738b51e7ade4191f95abb3b3bc022ff2854255b676d777bf61468",
}
"""SHA-256 of the serialised network by name, factor and checksums of its weights."""
