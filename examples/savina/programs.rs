//! All programs, in the order of the paper: about messages, about contention, about pools of workers.

mod ping_pong;
mod counting;
mod fork_join;
mod thread_ring;
mod chameneos;
mod big;
mod big_by_key;
mod bounded_buffer;
mod philosophers;
mod bank;
mod dictionary;
mod sieve;
mod radix_sort;
mod cobwebbed_tree;
mod n_queens;
mod trapezoid;
mod pi_precision;
mod matrix;
mod quicksort;
mod a_star;

use savina_problems::program::Program;

pub(crate) fn all() -> Vec<Program> {
    vec![
        Program::new(ping_pong::run),
        Program::new(counting::run),
        Program::new(fork_join::throughput),
        Program::new(fork_join::creation),
        Program::new(thread_ring::run),
        Program::new(chameneos::run),
        Program::new(big::run),
        Program::new(big_by_key::run),
        Program::new(bounded_buffer::run),
        Program::new(philosophers::run),
        Program::new(bank::run),
        Program::new(dictionary::run),
        Program::new(sieve::run),
        Program::new(radix_sort::run),
        Program::new(cobwebbed_tree::run),
        Program::new(n_queens::run),
        Program::new(trapezoid::run),
        Program::new(pi_precision::run),
        Program::new(matrix::run),
        Program::new(quicksort::run),
        Program::new(a_star::run),
    ]
}
