"""The registry of all facts: a topic and its stored form never change."""

from domain.events import (
    access,
    adjustment,
    alarm,
    batch,
    contract,
    ledger,
    link,
    message,
    portability,
    reconciliation,
    reply,
    route,
    seal,
    signature,
    statement,
    template,
    vault,
)

Event = (
    access.AccessEvent
    | adjustment.AdjustmentEvent
    | alarm.AlarmEvent
    | batch.BatchEvent
    | contract.ContractEvent
    | ledger.LedgerEvent
    | link.LinkEvent
    | message.MessageEvent
    | portability.PortabilityEvent
    | reconciliation.ReconciliationEvent
    | reply.ReplyEvent
    | route.RouteEvent
    | seal.SealEvent
    | signature.SignatureEvent
    | statement.StatementEvent
    | template.TemplateEvent
    | vault.VaultEvent
)

TOPICS: dict[str, type[Event]] = {
    kind.TOPIC: kind
    for kind in (
        access.KeyIssued,
        access.KeyRevoked,
        access.HistoryLookedUp,
        adjustment.Requested,
        adjustment.Approved,
        adjustment.Rejected,
        alarm.Raised,
        batch.ChunkAccepted,
        contract.Signed,
        contract.WentLive,
        contract.Suspended,
        contract.Resumed,
        contract.Ended,
        contract.AmendmentProposed,
        contract.AmendmentApproved,
        contract.AmendmentWithdrawn,
        contract.Amended,
        contract.StageInvoiced,
        contract.StagePaid,
        ledger.Opened,
        ledger.Debited,
        ledger.Refunded,
        ledger.AllowanceChanged,
        ledger.Adjusted,
        ledger.Closed,
        link.Configured,
        link.Enabled,
        link.Disabled,
        link.Draining,
        link.Connected,
        link.Lost,
        link.Broken,
        link.Mended,
        message.Accepted,
        message.SubmissionStarted,
        message.Submitted,
        message.SubmissionRefused,
        message.SubmissionInDoubt,
        message.DoubtResolved,
        message.ReceiptRecorded,
        message.Delivered,
        message.Failed,
        message.Expired,
        message.Cancelled,
        portability.CarrierSet,
        portability.ListImported,
        portability.PortedOut,
        portability.SeenAgain,
        portability.Forgotten,
        reconciliation.MappingSaved,
        reconciliation.StatementImported,
        reconciliation.RunCompleted,
        reconciliation.DifferenceResolved,
        reply.ReplyReceived,
        reply.PartReceived,
        seal.KeyCreated,
        seal.Sealed,
        route.RouteSet,
        route.RouteRemoved,
        signature.Drafted,
        signature.Approved,
        signature.Retired,
        signature.FilingRequested,
        signature.Filed,
        signature.FilingRejected,
        statement.Issued,
        statement.Accepted,
        statement.Disputed,
        statement.DisputeResolved,
        template.Drafted,
        template.Approved,
        template.Retired,
        vault.DayKeyCreated,
        vault.DayKeyDestroyed,
    )
}
