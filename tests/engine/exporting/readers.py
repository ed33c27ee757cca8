"""Readers of what is exported, written from the formats' publications with numpy alone: nothing is the writers'."""

import gzip
import json
import struct

import numpy as np


def read_ply(path):
    """Comments, and the columns of a binary little-endian .ply by name."""
    data = path.read_bytes()
    end = data.index(b"end_header\n") + len(b"end_header\n")
    lines = data[:end].decode("ascii").splitlines()
    assert lines[:2] == ["ply", "format binary_little_endian 1.0"]
    count = next(int(line.split()[2]) for line in lines if line.startswith("element vertex "))
    fields = [tuple(line.split()[1:]) for line in lines if line.startswith("property ")]
    assert {kind for kind, _ in fields} == {"float"}
    rows = np.frombuffer(data, np.dtype([(name, "<f4") for _, name in fields]), count, end)
    assert len(data) == end + rows.nbytes
    return [line.removeprefix("comment ") for line in lines if line.startswith("comment ")], rows


def gaussians_of_ply(path):
    """Means, quaternions w x y z, scales, opacities and colours, as a 3DGS viewer has them."""
    rows = read_ply(path)[1]

    def columns(*names):
        return np.stack([rows[name] for name in names], 1).astype(np.float64)

    return (
        columns("x", "y", "z"),
        columns("rot_0", "rot_1", "rot_2", "rot_3"),
        np.exp(columns("scale_0", "scale_1", "scale_2")),
        1 / (1 + np.exp(-columns("opacity")[:, 0])),
        0.5 + 0.28209479177387814 * columns("f_dc_0", "f_dc_1", "f_dc_2"),
    )


def gaussians_of_spz(path):
    """The same of an .spz of version 3."""
    data = gzip.decompress(path.read_bytes())
    magic, version, count, degree, bits, flags, reserved = struct.unpack_from("<IIIBBBB", data)
    assert (magic, version, degree, flags, reserved) == (0x5053474E, 3, 0, 1, 0)
    at = 16

    def take(width):
        nonlocal at
        block = np.frombuffer(data, np.uint8, count * width, at).reshape(count, width).astype(np.int64)
        at += count * width
        return block

    whole = take(9).reshape(count, 3, 3) @ [1, 256, 65536]
    means = np.where(whole >= 1 << 23, whole - (1 << 24), whole) / 2.0**bits
    opacities = take(1)[:, 0] / 255
    colors = 0.5 + 0.28209479177387814 * ((take(3) / 255 - 0.5) / 0.15)
    scales = np.exp(take(3) / 16 - 10)
    packed = take(4) @ [1, 1 << 8, 1 << 16, 1 << 24]
    assert at == len(data)
    quaternions = np.zeros((count, 4))  # x y z w
    for i, word in enumerate(packed):
        largest, rest = word >> 30, word
        for component in (3, 2, 1, 0):
            if component != largest:
                quaternions[i, component] = (rest & 511) / 511 * np.sqrt(0.5) * (-1 if rest >> 9 & 1 else 1)
                rest >>= 10
        quaternions[i, largest] = np.sqrt(1 - (quaternions[i] ** 2).sum())
    return means, quaternions[:, [3, 0, 1, 2]], scales, opacities, colors


TYPES = {5121: np.uint8, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}
SHAPES = {"SCALAR": (), "VEC2": (2,), "VEC3": (3,), "VEC4": (4,), "MAT4": (4, 4)}


class Glb:
    """A binary glTF: its document, and its accessors as arrays."""

    def __init__(self, path):
        data = path.read_bytes()
        magic, version, total = struct.unpack_from("<4sII", data)
        assert (magic, version, total) == (b"glTF", 2, len(data))
        length, kind = struct.unpack_from("<I4s", data, 12)
        assert (kind, length % 4) == (b"JSON", 0)
        self.document = json.loads(data[20 : 20 + length])
        size, kind = struct.unpack_from("<I4s", data, 20 + length)
        assert (kind, 28 + length + size) == (b"BIN\0", len(data))
        self._binary = data[28 + length :]

    def array(self, number):
        accessor = self.document["accessors"][number]
        shape = (accessor["count"], *SHAPES[accessor["type"]])
        if "bufferView" in accessor:
            values = self._view(accessor["bufferView"], accessor["componentType"], shape)
        else:
            values = np.zeros(shape, TYPES[accessor["componentType"]])
        if "sparse" in accessor:
            sparse = accessor["sparse"]
            rows = self._view(sparse["indices"]["bufferView"], sparse["indices"]["componentType"], (sparse["count"],))
            assert (np.diff(rows.astype(int)) > 0).all()
            values[rows] = self._view(
                sparse["values"]["bufferView"], accessor["componentType"], (sparse["count"], *shape[1:])
            )
        if "min" in accessor:
            np.testing.assert_array_equal(values.min(0), np.float32(accessor["min"]))
            np.testing.assert_array_equal(values.max(0), np.float32(accessor["max"]))
        return values

    def _view(self, number, component, shape):
        view = self.document["bufferViews"][number]
        kind = np.dtype(TYPES[component])
        assert view["byteOffset"] % kind.itemsize == 0
        size = int(np.prod(shape))
        assert size * kind.itemsize == view["byteLength"]
        return np.frombuffer(self._binary, kind, size, view["byteOffset"]).reshape(shape).copy()


def gaussians_of_glb(path):
    """The same of a .glb with KHR_gaussian_splatting."""
    glb = Glb(path)
    assert glb.document["extensionsUsed"] == ["KHR_gaussian_splatting"]
    (primitive,) = glb.document["meshes"][0]["primitives"]
    assert primitive["mode"] == 0
    extension = primitive["extensions"]["KHR_gaussian_splatting"]
    assert extension == {"kernel": "ellipse", "colorSpace": "srgb_rec709_display"}
    named = {name: glb.array(number) for name, number in primitive["attributes"].items()}
    get = {name.removeprefix("KHR_gaussian_splatting:"): values for name, values in named.items()}
    np.testing.assert_allclose(np.linalg.norm(get["ROTATION"], axis=1), 1, atol=1e-5)
    assert (get["SCALE"] > 0).all()
    assert get["COLOR_0"].shape == (len(get["POSITION"]), 4)
    colors = 0.5 + 0.28209479177387814 * get["SH_DEGREE_0_COEF_0"].astype(np.float64)
    return get["POSITION"], get["ROTATION"][:, [3, 0, 1, 2]], get["SCALE"], get["OPACITY"], colors


def posed_mesh(path):
    """Every vertex of a skinned mesh at its weights and joints, (W, 3), as a glTF viewer places it."""
    glb = Glb(path)
    document = glb.document
    mesh, skin = document["meshes"][0], document["skins"][0]
    primitive = mesh["primitives"][0]
    attributes = primitive["attributes"]
    points = glb.array(attributes["POSITION"]).astype(np.float64)
    for weight, target in zip(mesh["weights"], primitive["targets"], strict=True):
        points += weight * glb.array(target["POSITION"])
    world = {}

    def visit(node, above):
        own = document["nodes"][node]
        world[node] = above @ np.array(own.get("matrix", np.eye(4).ravel())).reshape(4, 4).T
        for child in own.get("children", ()):
            visit(child, world[node])

    visit(document["scenes"][0]["nodes"][0], np.eye(4))
    inverse = np.swapaxes(glb.array(skin["inverseBindMatrices"]), 1, 2).astype(np.float64)
    joints = np.stack([world[node] for node in skin["joints"]]) @ inverse
    blended = np.einsum(
        "wk,wkab->wab", glb.array(attributes["WEIGHTS_0"]), joints[glb.array(attributes["JOINTS_0"]).astype(int)]
    )
    return np.einsum("wab,wb->wa", blended, np.column_stack([points, np.ones(len(points))]))[:, :3]


def psnr(first, second):
    return float(-10 * np.log10(np.mean((first - second) ** 2) + 1e-20))
