"""The pocket server: a local model behind TGI's protocol, for machines where no model server runs.

``pocket_server()`` starts one for the calling process and takes it along when that process goes;
``python -m builder.llm.pocket`` runs one by hand.
"""

from builder.llm.pocket.launch import child_environment, pocket_server
from builder.llm.pocket.server import serve

__all__ = ["child_environment", "pocket_server", "serve"]
