import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.Base64;
import java.util.regex.Pattern;

public class Market {
    public static void main(String[] args) throws Exception {
        var http = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
        var basic = Base64.getEncoder().encodeToString("{{ client_id }}:{{ secret }}".getBytes());
        var asked = HttpRequest.newBuilder(URI.create("{{ address }}/api/v1/oauth/token"))
            .header("Authorization", "Basic " + basic)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .POST(BodyPublishers.ofString("grant_type=client_credentials"))
            .build();
        var given = http.send(asked, BodyHandlers.ofString()).body();
        var token = Pattern.compile("\"access_token\"\\s*:\\s*\"([^\"]+)\"").matcher(given);
        if (!token.find()) throw new IllegalStateException(given);
        var request = HttpRequest.newBuilder(URI.create("{{ address }}/api/v1/market-players/{{ player }}"))
            .header("Authorization", "Bearer " + token.group(1))
            .build();
        var answer = http.send(request, BodyHandlers.ofString());
        System.out.println(answer.statusCode() + " " + answer.body());
    }
}
