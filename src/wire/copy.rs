//! COPY ... FROM STDIN: rows that the client sends.

use pgwire::messages::copy::CopyInResponse;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::error::{Error, SqlState};
use crate::query::session::CopyIn;
use crate::wire::connection::Connection;
use crate::wire::messages::{Fault, Request};
use crate::wire::socket::Next;
use crate::wire::vigil::{Attended, End, Vigil};

impl<S: AsyncRead + AsyncWrite> Connection<S> {
    /// Asks for the rows of a COPY and passes them on; gives the command tag.
    ///
    /// Whatever ends it early, dropping the `CopyIn` takes back what it has read so far.
    pub(crate) async fn receive(
        &mut self,
        mut copy: CopyIn,
        vigil: &mut Vigil,
    ) -> Attended<String> {
        let count = copy.column_count();
        // Datasets have fewer columns than the protocol can count (model::dataset).
        let columns = i16::try_from(count).unwrap_or(i16::MAX);
        self.outgoing.put(&CopyInResponse::new(0, columns, vec![0; count]))?;
        self.send(vigil).await?;
        loop {
            let next = tokio::select! {
                biased;
                next = self.incoming.next() => next,
                end = vigil.interrupted() => return Err(end),
            };
            match next {
                Next::Request(Request::CopyData(data)) => {
                    let write = async { Ok(copy.write(data).await?) };
                    vigil.attend(&mut self.incoming, write).await?;
                }
                Next::Request(Request::CopyDone) => {
                    let finish = async { Ok(copy.finish().await?) };
                    return vigil.attend(&mut self.incoming, finish).await;
                }
                Next::Request(Request::CopyFail(reason)) => {
                    return Err(copy.fail(&reason).await.into());
                }
                // Clients send these along with the request that started the COPY.
                Next::Request(Request::Flush | Request::Sync) => {}
                Next::Request(Request::Terminate) | Next::Gone => return Err(End::Gone),
                Next::Request(_) => {
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
