//! A mall and creatures: the mall tells one that waits of the next that comes, and those two talk to each other.

use savina_problems::chameneos::Chameneos;
use savina_problems::chameneos::Colour;
use savina_problems::program::BoxError;
use tokio::sync::mpsc;

use crate::actor::Actor;
use crate::actor::Answers;
use crate::actor::Next;
use crate::actor::Runtime;
use crate::actor::World;
use crate::actor::answer;
use crate::actor::give;

struct Creature<R: Runtime> {
    mall: R::Address<Mall<R>>,
    colour: Colour,
    met: u64,
}

enum ToCreature<R: Runtime> {
    Start,
    Meet(R::Address<Creature<R>>, Colour),
    Change(Colour),
    Exit,
}

impl<R: Runtime> Actor<R> for Creature<R> {
    type Message = ToCreature<R>;

    fn handle(&mut self, message: ToCreature<R>, myself: &R::Address<Self>) -> Next {
        match message {
            ToCreature::Start => {}
            ToCreature::Meet(other, colour) => {
                self.colour = self.colour.after(colour);
                self.met += 1;
                R::send(&other, ToCreature::Change(self.colour));
            }
            ToCreature::Change(colour) => {
                self.colour = colour;
                self.met += 1;
            }
            ToCreature::Exit => {
                R::send(&self.mall, ToMall::Met(self.met));
                return Next::Stop;
            }
        }
        R::send(&self.mall, ToMall::Meet(myself.clone(), self.colour));
        Next::Continue
    }
}

struct Mall<R: Runtime> {
    waiting: Option<R::Address<Creature<R>>>,
    meetings: u64,
    awake: usize,
    met: u64,
    answers: Answers<u64>,
}

enum ToMall<R: Runtime> {
    Meet(R::Address<Creature<R>>, Colour),
    Met(u64),
}

impl<R: Runtime> Actor<R> for Mall<R> {
    type Message = ToMall<R>;

    fn handle(&mut self, message: ToMall<R>, _: &R::Address<Self>) -> Next {
        match message {
            ToMall::Meet(creature, _) if self.meetings == 0 => R::send(&creature, ToCreature::Exit),
            ToMall::Meet(creature, colour) => match self.waiting.take() {
                None => self.waiting = Some(creature),
                Some(first) => {
                    self.meetings -= 1;
                    R::send(&first, ToCreature::Meet(creature, colour));
                }
            },
            ToMall::Met(met) => {
                self.met += met;
                self.awake -= 1;
                if self.awake == 0 {
                    give(&self.answers, self.met);
                    return Next::Stop;
                }
            }
        }
        Next::Continue
    }
}

pub(crate) async fn run<R: Runtime>(Chameneos { creatures, meetings }: Chameneos) -> Result<u64, BoxError> {
    let (world, end) = World::<R>::new();
    let (answers, mut arrived) = mpsc::unbounded_channel();
    let mall = world.start(Mall { waiting: None, meetings, awake: creatures, met: 0, answers });
    for number in 0..creatures {
        let creature = world.start(Creature { mall: mall.clone(), colour: Colour::of(number), met: 0 });
        R::send(&creature, ToCreature::Start);
    }
    let met = answer(&mut arrived).await?;
    end.of(world).await;
    Ok(met)
}
