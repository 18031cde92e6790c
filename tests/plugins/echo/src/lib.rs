//! A worker that gives back parcels: the same that benchmarks link.

seral_plugin::export_worker!(payload::Echo);
