//! What tests share: certificates, control-file pairs, a fault-injecting MESH port. Dev-dependency only.
