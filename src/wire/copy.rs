//! COPY between client and server: rows that the client sends, and the words around those that it gets.

use pgwire::messages::copy::{CopyDone, CopyInResponse, CopyOutResponse};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::error::{Error, Result, SqlState};
use crate::query::postgres::types::PgType;
use crate::query::session::CopyIn;
use crate::wire::connection::Connection;
use crate::wire::copy_binary::BinaryRows;
use crate::wire::messages::{Fault, Request};
use crate::wire::produce::Chunk;
use crate::wire::socket::Next;
use crate::wire::vigil::{Attended, End, Vigil};

impl<S: AsyncRead + AsyncWrite> Connection<S> {
    /// Says that rows to store follow.
    pub(crate) fn copy_out(&mut self, binary: bool, count: usize) -> Result<()> {
        let format = i8::from(binary);
        let columns = i16::try_from(count).unwrap_or(i16::MAX);
        self.outgoing.put(&CopyOutResponse::new(format, columns, vec![format.into(); count]))
    }

    /// Gives the last rows to store, and says so.
    pub(crate) fn copy_done(&mut self, last: &Chunk) -> Result<()> {
        self.rows(last);
        self.outgoing.put(&CopyDone::new())
    }

    /// Asks for the rows of a COPY and passes them on; gives the command tag.
    ///
    /// Whatever ends it early, dropping the `CopyIn` takes back what it has read so far.
    pub(crate) async fn receive(
        &mut self,
        mut copy: CopyIn,
        vigil: &mut Vigil,
    ) -> Attended<String> {
        let oids = copy.columns().iter().map(|ty| PgType::of(ty, &Default::default()).oid);
        let oids: Vec<u32> = oids.collect();
        let count = oids.len();
        // Datasets have fewer columns than the protocol can count (model::dataset).
        let columns = i16::try_from(count).unwrap_or(i16::MAX);
        let format = i8::from(copy.is_binary());
        self.outgoing.put(&CopyInResponse::new(format, columns, vec![format.into(); count]))?;
        let mut binary = copy.is_binary().then(|| BinaryRows::new(oids));
        self.send(vigil).await?;
        loop {
            let next = tokio::select! {
                biased;
                next = self.incoming.next() => next,
                end = vigil.interrupted() => return Err(end),
            };
            match next {
                Next::Request(Request::CopyData(data)) => {
                    let data = match &mut binary {
                        Some(rows) => rows.take(&data)?,
                        None => data,
                    };
                    let write = async { Ok(copy.write(data).await?) };
                    vigil.attend(&mut self.incoming, write).await?;
                }
                Next::Request(Request::CopyDone) => {
                    if let Some(rows) = &binary {
                        rows.finish()?;
                    }
                    let finish = async { Ok(copy.finish().await?) };
                    return vigil.attend(&mut self.incoming, finish).await;
                }
                Next::Request(Request::CopyFail(reason)) => {
                    return Err(copy.fail(&reason).await.into());
                }
                // Clients send these along with the request that started the COPY.
                Next::Request(Request::Flush | Request::Sync) => {}
                Next::Request(Request::Terminate) | Next::Gone => return Err(End::Gone),
                Next::Request(_) | Next::Notified => {
                    let message = "unexpected message type during COPY from stdin";
                    let error = Error::new(SqlState::PROTOCOL_VIOLATION, message);
                    return Err(error.into());
                }
                Next::Fault(Fault::Message { error, .. }) => return Err(error.into()),
                Next::Fault(Fault::Stream(error)) => return Err(End::Fatal(error)),
            }
        }
    }
}
