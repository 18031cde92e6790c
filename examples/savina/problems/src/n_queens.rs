//! In how many ways so many queens can stand on a board without threatening each other.

use crate::program::BoxError;
use crate::program::Problem;
use crate::program::Size;
use crate::program::same;

/// The parameters.
#[derive(Clone, Copy, Debug)]
pub struct NQueens {
    /// How many workers search.
    pub workers: usize,
    /// How many queens, on a board of as many rows.
    pub size: usize,
    /// So many queens are placed one by one, each placing a message; what remains is searched in one go.
    pub threshold: usize,
}

/// The columns of the queens that have been placed, row by row.
pub type Board = Vec<u8>;

/// What became of a board.
#[derive(Clone, Debug)]
pub enum Step {
    /// These boards have a queen more, and are to be looked at.
    Boards(Vec<Board>),
    /// So many solutions begin with it.
    Solutions(u64),
}

impl NQueens {
    /// Places one queen more, or searches the rest.
    pub fn step(&self, board: &Board) -> Step {
        if board.len() < self.threshold {
            Step::Boards(self.next(board).collect())
        } else {
            Step::Solutions(self.count(&mut board.clone()))
        }
    }

    fn next(&self, board: &Board) -> impl Iterator<Item = Board> {
        let columns = 0..u8::try_from(self.size).unwrap_or(u8::MAX);
        columns.filter(|column| is_safe(board, *column)).map(|column| [board.as_slice(), &[column]].concat())
    }

    fn count(&self, board: &mut Board) -> u64 {
        if board.len() == self.size {
            return 1;
        }
        let mut solutions = 0;
        for column in 0..u8::try_from(self.size).unwrap_or(u8::MAX) {
            if is_safe(board, column) {
                board.push(column);
                solutions += self.count(board);
                board.pop();
            }
        }
        solutions
    }
}

/// Whether no queen threatens the next one in this column.
fn is_safe(board: &[u8], column: u8) -> bool {
    let distances = (1..=board.len()).rev();
    board.iter().zip(distances).all(|(other, rows)| {
        let columns = usize::from(other.abs_diff(column));
        columns != 0 && columns != rows
    })
}

impl Problem for NQueens {
    const NAME: &'static str = "n-queens";
    const ABOUT: &'static str = "all ways to place twelve queens";
    type Answer = u64;

    fn of(size: Size) -> Self {
        Self { workers: 20, size: size.pick(12, 8), threshold: size.pick(4, 3) }
    }

    fn check(&self, solutions: &u64) -> Result<(), BoxError> {
        const KNOWN: [u64; 15] = [1, 1, 0, 0, 2, 10, 4, 40, 92, 352, 724, 2_680, 14_200, 73_712, 365_596];
        same("solutions", solutions, &KNOWN[self.size])
    }
}
