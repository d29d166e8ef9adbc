//! The simple protocol: a string of statements, each answered in text, up to the first error.

use pgwire::messages::data::RowDescription;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::query::session::moved;
use crate::query::statements::Piece;
use crate::wire::connection::Connection;
use crate::wire::extended::fields;
use crate::wire::produce::{Event, Producer, Work};
use crate::wire::vigil::{Attended, End, Vigil};

impl<S: AsyncRead + AsyncWrite> Connection<S> {
    /// Answers a string of statements.
    pub(crate) async fn query(&mut self, sql: &str) -> Attended<()> {
        // A simple query ends whatever the unnamed portal was about.
        self.portals.close("");
        let pieces = self.session.split(sql)?;
        if pieces.is_empty() {
            self.complete_empty()?;
        }
        if let [piece] = pieces.as_slice()
            && let Some(found) = self.session.point_of_text(piece.text)
        {
            self.describe_columns(&found.schema, &[])?;
            self.answer_point(piece.text, &found, &[])?;
            return self.ready().await;
        }
        for piece in pieces {
            self.piece(piece).await.map_err(|end| match end {
                End::Error(error) => End::Error(moved(error, piece.offset_chars)),
                end => end,
            })?;
        }
        self.ready().await
    }

    async fn piece(&mut self, piece: Piece<'_>) -> Attended<()> {
        let mut vigil = self.watch(piece.text);
        let mut producer = Producer::start(vigil.statement(), Work::Text(piece.text.to_owned()));
        loop {
            let event = vigil.attend(&mut self.incoming, producer.next()).await?;
            if self.event(event, &mut vigil).await? {
                self.session.learn_point(piece.text).await;
                return Ok(());
            }
        }
    }

    /// Answers with an event; true if it was the last.
    async fn event(&mut self, event: Event, vigil: &mut Vigil) -> Attended<bool> {
        match event {
            Event::Columns(schema, formats) => {
                let description = RowDescription::new(fields(&schema, &formats));
                self.outgoing.put(&description)?;
                Ok(false)
            }
            Event::Rows(chunk) => {
                self.rows(&chunk);
                self.send(vigil).await?;
                Ok(false)
            }
            Event::CopyOut(binary, count) => {
                self.copy_out(binary, count)?;
                Ok(false)
            }
            Event::Done(chunk, tag) => {
                self.rows(&chunk);
                self.complete(&tag)?;
                self.send_much(vigil).await?;
                Ok(true)
            }
            Event::CopiedOut(chunk, tag) => {
                self.copy_done(&chunk)?;
                self.complete(&tag)?;
                self.send_much(vigil).await?;
                Ok(true)
            }
            Event::CopyIn(copy) => {
                let tag = self.receive(copy, vigil).await?;
                self.complete(&tag)?;
                Ok(true)
            }
            Event::Empty => {
                self.complete_empty()?;
                Ok(true)
            }
        }
    }
}
