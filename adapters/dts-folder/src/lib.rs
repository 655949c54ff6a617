//! The DTS folder adapter: OUT to MESH, MESH to IN, as the DTS and Java MESH clients did.
