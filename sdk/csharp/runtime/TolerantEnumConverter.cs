using System;
using System.Linq;
using System.Reflection;
using System.Runtime.Serialization;
using Newtonsoft.Json;
using Newtonsoft.Json.Converters;

namespace Flexagora
{
    /// <summary>
    /// Reads a value that a later minor version of a contract may have added as
    /// UnknownDefaultOpenApi, where Newtonsoft's own converter would throw, and takes names as they are spelled only.
    /// </summary>
    public class TolerantEnumConverter : StringEnumConverter
    {
        private const string Unknown = "unknown_default_open_api";

        /// <inheritdoc />
        public override object ReadJson(
            JsonReader reader, Type objectType, object existingValue, JsonSerializer serializer)
        {
            if (reader.TokenType != JsonToken.String)
            {
                var optional = Nullable.GetUnderlyingType(objectType) != null;
                if (reader.TokenType == JsonToken.Null && optional)
                {
                    return null;
                }
                throw new JsonSerializationException(
                    $"A text is needed, not {reader.Value ?? "null"}.");
            }
            var type = Nullable.GetUnderlyingType(objectType) ?? objectType;
            var spelled = (string)reader.Value;
            var fields = type.GetFields(BindingFlags.Public | BindingFlags.Static);
            var field = fields.FirstOrDefault(one => Spelling(one) == spelled)
                ?? fields.First(one => Spelling(one) == Unknown);
            return field.GetValue(null);
        }

        private static string Spelling(FieldInfo field) =>
            field.GetCustomAttribute<EnumMemberAttribute>()?.Value;
    }
}
