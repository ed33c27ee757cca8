"""What the engine and its clients say to each other: messages, framing, the shared frame buffer, the client.

Standard library and numpy only, relative imports only: Blender carries a copy of this package inside its extension.
"""

from .client import EngineClient, LoadedAvatar, Picture, RenderRequest, Ticket, numbers
from .errors import EngineFailure, ProtocolError, RequestCancelled, RequestSuperseded
from .messages import PROTOCOL_VERSION, Camera, Instance, Light, Mask, MeshFile, Occluder, Region, Welcome

__all__ = [
    "PROTOCOL_VERSION",
    "Camera",
    "EngineClient",
    "EngineFailure",
    "Instance",
    "Light",
    "LoadedAvatar",
    "Mask",
    "MeshFile",
    "Occluder",
    "Picture",
    "ProtocolError",
    "Region",
    "RenderRequest",
    "RequestCancelled",
    "RequestSuperseded",
    "Ticket",
    "Welcome",
    "numbers",
]
