import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;

public class Market {
    public static void main(String[] args) throws Exception {
        var request = HttpRequest.newBuilder(URI.create("{{ address }}/notifications/v1/test"))
            .header("X-API-Key", "{{ secret }}")
            .header("Accept", "application/json")
            .build();
        var http = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
        var answer = http.send(request, BodyHandlers.ofString());
        System.out.println(answer.statusCode() + " " + answer.body());
    }
}
