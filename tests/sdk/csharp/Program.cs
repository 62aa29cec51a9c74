using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net;
using System.Threading;
using System.Threading.Tasks;
using Flexagora.EuMp.Api;
using Flexagora.EuMp.Client;
using Flexagora.EuMp.Model;
using Flexagora.EuMp.Server;
using Flexagora.Server;
using Newtonsoft.Json;

/// <summary>What the tests have the generated C# do, at the other end of Python's HTTP.</summary>
public static class Program
{
    public static int Main(string[] arguments)
    {
        switch (arguments[0])
        {
            case "call": return Call(arguments[1], arguments[2]);
            case "token": return Token(arguments[1], arguments[2], arguments[3]);
            case "read": return Read();
            default: return Serve(arguments[1], arguments[2]);
        }
    }

    /// <summary>
    /// Calls a platform with the event on standard input, and prints what it answers.
    /// </summary>
    private static int Call(string url, string key)
    {
        var text = Console.In.ReadToEnd();
        var offer = JsonConvert.DeserializeObject<ServiceOfferConfirmed>(text);
        var configuration = new Configuration { BasePath = url };
        configuration.AddApiKey("X-API-Key", key);
        var offers = new ServiceOfferApi(configuration);
        var connection = new ConnectionApi(configuration);
        Print("test", connection.TestConnection());
        Print("first", offers.ConfirmServiceOffer(PlatformRole.Requester, offer));
        Print("again", offers.ConfirmServiceOffer(PlatformRole.Requester, offer));
        var yesterday = DateTimeOffset.UtcNow.AddDays(-1);
        Print("held", new RecoveryApi(configuration).ListHeldEvents(yesterday));
        var once = connection.RefreshApiKey("the-same");
        Print("keys", new[] { once.ApiKey, connection.RefreshApiKey("the-same").ApiKey });
        var stranger = new Configuration { BasePath = url };
        stranger.AddApiKey("X-API-Key", "fxk_nobody-has-issued-this-key-at-all");
        try
        {
            new ConnectionApi(stranger).TestConnection();
        }
        catch (ApiException error)
        {
            var problem = JsonConvert.DeserializeObject<Problem>((string)error.ErrorContent);
            Print("refused", new { status = error.ErrorCode, problem });
        }
        return 0;
    }

    /// <summary>Gets an access token, which is asked for with a form.</summary>
    private static int Token(string url, string client, string secret)
    {
        var access = new Flexagora.Marketplace.Api.AccessApi(url);
        Print("token", access.IssueToken("client_credentials", client, secret));
        return 0;
    }

    /// <summary>Reads and writes an acknowledgement, a line each.</summary>
    private static int Read()
    {
        for (var line = Console.In.ReadLine(); line != null; line = Console.In.ReadLine())
        {
            try
            {
                var read = JsonConvert.DeserializeObject<Acknowledgement>(line);
                Print("read", read.Outcome.ToString());
            }
            catch (JsonException error)
            {
                Print("failed", error.Message);
            }
        }
        return 0;
    }

    /// <summary>Serves the EU-MP API until standard input ends.</summary>
    private static int Serve(string prefix, string key)
    {
        var platform = new Platform();
        var routes = ServiceOfferHandlerRoutes.Of(platform)
            .Concat(ConnectionHandlerRoutes.Of(platform))
            .Concat(RecoveryHandlerRoutes.Of(platform))
            .Concat(PointsOfDeliveryHandlerRoutes.Of(platform))
            .ToList();
        var listener = new HttpListener();
        listener.Prefixes.Add(prefix + "/");
        listener.Start();
        Task.Run(async () =>
        {
            while (true)
            {
                await Answer(routes, await listener.GetContextAsync(), prefix, key);
            }
        });
        Print("serves", prefix);
        Console.In.ReadToEnd();
        listener.Abort();
        return 0;
    }

    private static async Task Answer(
        List<Route> routes, HttpListenerContext context, string prefix, string key)
    {
        var request = context.Request;
        var path = request.Url.AbsolutePath.Substring(new Uri(prefix).AbsolutePath.Length);
        var status = 200;
        object answer;
        try
        {
            var found = routes.FirstOrDefault(
                one => one.Method == request.HttpMethod && one.Match(path) != null);
            if (request.Headers["X-API-Key"] != key)
            {
                throw new Refused(401, "Authentication is required", "The key is not valid.");
            }
            if (found == null)
            {
                throw new Refused(404, "Not found", "There is no such path.");
            }
            var body = new StreamReader(request.InputStream).ReadToEnd();
            answer = await found.Answer(
                new Call(found.Match(path), request.QueryString.Get, request.Headers.Get, body),
                CancellationToken.None);
        }
        catch (Refused refused)
        {
            status = refused.Status;
            var fields = refused.Rule == null ? null : new[]
            {
                new { pointer = refused.Pointer, rule = refused.Rule, detail = refused.Message },
            };
            answer = new
            {
                type = "about:blank",
                title = refused.Title,
                status,
                detail = refused.Message,
                errors = fields,
            };
        }
        var text = JsonConvert.SerializeObject(answer);
        context.Response.StatusCode = status;
        context.Response.ContentType =
            status == 200 ? "application/json" : "application/problem+json";
        using (var writer = new StreamWriter(context.Response.OutputStream))
        {
            writer.Write(text);
        }
    }

    private static void Print(string name, object value) =>
        Console.WriteLine(JsonConvert.SerializeObject(new { name, value }));
}

/// <summary>A platform that keeps in memory what it is told.</summary>
public class Platform
    : IServiceOfferHandler, IConnectionHandler, IRecoveryHandler, IPointsOfDeliveryHandler
{
    private readonly Dictionary<Guid, HeldEvent> _events = new Dictionary<Guid, HeldEvent>();

    public Task<Acknowledgement> ConfirmServiceOffer(
        PlatformRole platformRole, ServiceOfferConfirmed offer,
        string webhookId, string webhookTimestamp, string webhookSignature,
        CancellationToken cancellation) =>
        Take(
            HeldEventKind.ServiceOfferConfirmed, platformRole,
            offer.EventId, offer.SubscriptionId, offer.OccurredAt);

    public Task<Acknowledgement> CancelServiceOffer(
        PlatformRole platformRole, ServiceOfferCanceled offer,
        string webhookId, string webhookTimestamp, string webhookSignature,
        CancellationToken cancellation) =>
        Take(
            HeldEventKind.ServiceOfferCanceled, platformRole,
            offer.EventId, offer.SubscriptionId, offer.OccurredAt);

    public Task<Acknowledgement> SuspendServiceOffer(
        PlatformRole platformRole, ServiceOfferChanged offer,
        string webhookId, string webhookTimestamp, string webhookSignature,
        CancellationToken cancellation) =>
        Take(
            HeldEventKind.ServiceOfferSuspended, platformRole,
            offer.EventId, offer.SubscriptionId, offer.OccurredAt);

    public Task<Acknowledgement> ResumeServiceOffer(
        PlatformRole platformRole, ServiceOfferChanged offer,
        string webhookId, string webhookTimestamp, string webhookSignature,
        CancellationToken cancellation) =>
        Take(
            HeldEventKind.ServiceOfferResumed, platformRole,
            offer.EventId, offer.SubscriptionId, offer.OccurredAt);

    public Task<Acknowledgement> ReceiveRequestedPointsOfDelivery(
        PlatformRole platformRole, PointsOfDeliveryRequested requested,
        string webhookId, string webhookTimestamp, string webhookSignature,
        CancellationToken cancellation) =>
        Take(
            HeldEventKind.PointsOfDeliveryRequested, platformRole,
            requested.EventId, requested.SubscriptionId, requested.OccurredAt);

    public Task<IssuedApiKey> RefreshApiKey(string repeat, CancellationToken cancellation) =>
        throw new Refused(501, "Not implemented", "Keys are exchanged by hand here.");

    public Task<ConnectionTest> TestConnection(CancellationToken cancellation) =>
        Task.FromResult(new ConnectionTest(
            ConnectionStatus.AVAILABLE, "eu-mp", "1.1.0", DateTimeOffset.UtcNow));

    public Task<HeldEventPage> ListHeldEvents(
        DateTimeOffset since, int? limit, string cursor, CancellationToken cancellation) =>
        Task.FromResult(new HeldEventPage(
            _events.Values.Where(one => one.OccurredAt >= since).Take(limit ?? 50).ToList()));

    public Task<HeldServiceOfferPage> ListHeldServiceOffers(
        int? limit, string cursor, CancellationToken cancellation) =>
        Task.FromResult(new HeldServiceOfferPage(new List<HeldServiceOffer>()));

    public Task<NotificationReplay> ReplayNotifications(
        NotificationReplayOrder order,
        string webhookId, string webhookTimestamp, string webhookSignature,
        CancellationToken cancellation) =>
        throw new Refused(501, "Not implemented", "It keeps no notifications.");

    private Task<Acknowledgement> Take(
        HeldEventKind kind, PlatformRole role,
        Guid id, Guid subscription, DateTimeOffset occurredAt)
    {
        var outcome = _events.ContainsKey(id)
            ? AcknowledgementOutcome.DUPLICATE
            : AcknowledgementOutcome.APPLIED;
        if (outcome == AcknowledgementOutcome.APPLIED)
        {
            _events[id] = new HeldEvent(
                id, kind, role, subscription, occurredAt, DateTimeOffset.UtcNow, outcome);
        }
        return Task.FromResult(new Acknowledgement(id, outcome));
    }
}
