//! All programs that these runtimes can have: `big-by-key` is Seral's alone.

mod ping_pong;
mod counting;
mod fork_join;
mod thread_ring;
mod chameneos;
mod big;
mod bounded_buffer;
mod philosophers;
mod bank;
mod dictionary;
mod sieve;
mod radix_sort;
mod cobwebbed_tree;
mod pools;
mod quicksort;

use savina_problems::program::Program;

use crate::actor::Runtime;

pub(crate) fn all<R: Runtime>() -> Vec<Program> {
    vec![
        Program::new(ping_pong::run::<R>),
        Program::new(counting::run::<R>),
        Program::new(fork_join::throughput::<R>),
        Program::new(fork_join::creation::<R>),
        Program::new(thread_ring::run::<R>),
        Program::new(chameneos::run::<R>),
        Program::new(big::run::<R>),
        Program::new(bounded_buffer::run::<R>),
        Program::new(philosophers::run::<R>),
        Program::new(bank::run::<R>),
        Program::new(dictionary::run::<R>),
        Program::new(sieve::run::<R>),
        Program::new(radix_sort::run::<R>),
        Program::new(cobwebbed_tree::run::<R>),
        Program::new(pools::n_queens::<R>),
        Program::new(pools::trapezoid::<R>),
        Program::new(pools::pi_precision::<R>),
        Program::new(pools::matrix::<R>),
        Program::new(quicksort::run::<R>),
        Program::new(pools::a_star::<R>),
    ]
}
