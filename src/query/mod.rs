//! All of DataFusion: what Selfsame adds to its SQL. Nothing below this layer knows DataFusion, and
//! no rule of the product is written here; rules are called.

pub mod aggregates;
