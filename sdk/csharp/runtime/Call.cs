using System;
using System.Collections.Generic;
using System.Linq;
using Newtonsoft.Json;

namespace Flexagora.Server
{
    /// <summary>A call as it arrived, whatever the web server: read by type and by name.</summary>
    public class Call
    {
        // Moments stay as they were sent, with their offset.
        private static readonly JsonSerializerSettings Settings = new JsonSerializerSettings
        {
            ConstructorHandling = ConstructorHandling.AllowNonPublicDefaultConstructor,
            DateParseHandling = DateParseHandling.DateTimeOffset,
        };

        private readonly string _body;
        private readonly IDictionary<string, string> _path;
        private readonly Func<string, string> _query;
        private readonly Func<string, string> _header;

        /// <param name="path">
        /// The values of the path's parameters, decoded; see Route.Match.
        /// </param>
        /// <param name="query">
        /// The value of a query parameter, decoded; null when it is missing.
        /// </param>
        /// <param name="header">The value of a header; null when it is missing.</param>
        /// <param name="body">The body as text; null or empty when there is none.</param>
        public Call(
            IDictionary<string, string> path,
            Func<string, string> query,
            Func<string, string> header,
            string body)
        {
            _path = path;
            _query = query;
            _header = header;
            _body = body;
        }

        /// <summary>
        /// The body. Throws Refused (400) when it is missing or of another shape.
        /// </summary>
        public T Body<T>()
        {
            if (string.IsNullOrWhiteSpace(_body))
            {
                throw Invalid("", "required", "The body is missing.");
            }
            try
            {
                return JsonConvert.DeserializeObject<T>(_body, Settings);
            }
            catch (JsonException error)
            {
                throw Invalid(Pointer(error), "type", error.Message);
            }
            catch (ArgumentNullException error)
            {
                throw Invalid("", "required", error.Message);
            }
        }

        /// <summary>
        /// A parameter of the path. Throws Refused (404) when it is of another type.
        /// </summary>
        public T Path<T>(string name)
        {
            try
            {
                return Converted<T>(_path[name]);
            }
            catch (JsonException)
            {
                throw new Refused(404, "Not found", $"{_path[name]} is no {name}.");
            }
        }

        /// <summary>
        /// A query parameter; null when it is optional and missing. Throws Refused (400).
        /// </summary>
        public T Query<T>(string name, bool required) => Named<T>(name, _query(name), required);

        /// <summary>A header; null when it is optional and missing. Throws Refused (400).</summary>
        public T Header<T>(string name, bool required) => Named<T>(name, _header(name), required);

        /// <summary>
        /// A field of a form; null when it is optional and missing. Throws Refused (400).
        /// </summary>
        public T Form<T>(string name, bool required)
        {
            var pairs = (_body ?? "").Split('&').Select(pair => pair.Split(new[] { '=' }, 2));
            var found = pairs.FirstOrDefault(pair => Decoded(pair[0]) == name && pair.Length == 2);
            return Named<T>(name, found == null ? null : Decoded(found[1]), required);
        }

        private static string Decoded(string text) =>
            Uri.UnescapeDataString(text.Replace('+', ' '));

        private static T Named<T>(string name, string text, bool required)
        {
            if (text != null)
            {
                return Value<T>(name, JsonConvert.ToString(text));
            }
            if (required)
            {
                throw Invalid(name, "required", $"{name} is missing.");
            }
            return default(T);
        }

        private static T Value<T>(string name, string json)
        {
            try
            {
                return JsonConvert.DeserializeObject<T>(json, Settings);
            }
            catch (Exception error) when (error is JsonException || error is FormatException)
            {
                throw Invalid(name, "type", error.Message);
            }
        }

        private static T Converted<T>(string text) =>
            JsonConvert.DeserializeObject<T>(JsonConvert.ToString(text), Settings);

        private static string Pointer(JsonException error)
        {
            var path = (error as JsonReaderException)?.Path
                ?? (error as JsonSerializationException)?.Path;
            return string.IsNullOrEmpty(path)
                ? ""
                : "/" + path.Replace("[", "/").Replace("]", "").Replace('.', '/').TrimStart('/');
        }

        private static Refused Invalid(string pointer, string rule, string detail) =>
            new Refused(400, "The request is not valid", detail, pointer, rule);
    }
}
