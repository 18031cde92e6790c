//! The programs of the Savina suite (Imam and Sarkar, 2014) without actors: their parameters, what they compute, and what must come out.
//!
//! Each runtime brings its own messages and workers; all of them start from here, so that they do the same work and are held to the same
//! result. The defaults are those of the suite's own sources. `Random` is ours, so random input is other numbers than there.

pub mod random;
pub mod program;

pub mod ping_pong;
pub mod counting;
pub mod fork_join;
pub mod thread_ring;
pub mod chameneos;
pub mod big;
pub mod bounded_buffer;
pub mod philosophers;
pub mod bank;
pub mod dictionary;
pub mod n_queens;
pub mod trapezoid;
pub mod fixed_point;
pub mod pi_precision;
pub mod matrix;
pub mod quicksort;
pub mod radix_sort;
pub mod a_star;
pub mod sieve;
pub mod cobwebbed_tree;
