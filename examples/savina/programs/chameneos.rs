//! A creature is in one place at a time, so it is the job: it goes to the mall, meets another in a worker of the other community, and goes back.

use savina_problems::chameneos::Chameneos;
use savina_problems::chameneos::Colour;
use seral::prelude::*;
use tokio::sync::mpsc;

use crate::stage::Answers;
use crate::stage::answer;
use crate::stage::cores;
use crate::stage::end;

#[derive(Clone, Copy, Debug)]
struct Creature {
    colour: Colour,
    met: u64,
}

/// Brings two together, as often as there are meetings. Then creatures fade as they come.
struct Mall {
    meadow: Community<[Creature; 2], ()>,
    waiting: Option<Creature>,
    meetings: u64,
    awake: usize,
    met: u64,
    answers: Answers<u64>,
}

impl Worker for Mall {
    type Job = Creature;
    type Output = ();

    async fn process(&mut self, creature: &Creature, _: &JobContext) -> Result<(), Fault> {
        if self.meetings == 0 {
            self.met += creature.met;
            self.awake -= 1;
            if self.awake == 0 {
                self.answers.send(self.met)?;
            }
            return Ok(());
        }
        match self.waiting.take() {
            None => self.waiting = Some(*creature),
            Some(first) => {
                self.meetings -= 1;
                self.meadow.send([first, *creature]).await?;
            }
        }
        Ok(())
    }
}

/// Where two meet.
struct Meadow {
    mall: Community<Creature, ()>,
}

impl Worker for Meadow {
    type Job = [Creature; 2];
    type Output = ();

    async fn process(&mut self, [one, other]: &[Creature; 2], _: &JobContext) -> Result<(), Fault> {
        for (creature, met) in [(one, other), (other, one)] {
            let colour = creature.colour.after(met.colour);
            self.mall.send(Creature { colour, met: creature.met + 1 }).await?;
        }
        Ok(())
    }
}

pub(crate) async fn run(Chameneos { creatures, meetings }: Chameneos) -> Result<u64, BoxError> {
    let ecosystem = Ecosystem::new("chameneos");
    let (answers, mut arrived) = mpsc::unbounded_channel();
    let (mall, meadow) = (ecosystem.community("mall").await?, ecosystem.community("meadow").await?);
    let to_mall = mall.clone();
    meadow.deploy("1.0.0", Pool::of(cores(), move || Meadow { mall: to_mall.clone() })).await?;
    let keeper = move || Mall {
        meadow: meadow.clone(),
        waiting: None,
        meetings,
        awake: creatures,
        met: 0,
        answers: answers.clone(),
    };
    mall.deploy("1.0.0", Pool::of(1, keeper)).await?;

    mall.send_all(&mut (0..creatures).map(|number| Creature { colour: Colour::of(number), met: 0 })).await?;
    let met = answer(&mut arrived).await?;
    end(&ecosystem).await?;
    Ok(met)
}
