using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;

namespace Flexagora.Server
{
    /// <summary>An operation of a contract, and what answers it.</summary>
    public class Route
    {
        private readonly string[] _segments;

        /// <param name="method">The HTTP method, in capitals.</param>
        /// <param name="path">
        /// The path below the contract's base path, such as <c>/a/{b}</c>.
        /// </param>
        /// <param name="operation">The name of the operation.</param>
        /// <param name="answer">
        /// Answers a call: the object to send as JSON, or null for none.
        /// </param>
        public Route(
            string method,
            string path,
            string operation,
            Func<Call, CancellationToken, Task<object>> answer)
        {
            Method = method;
            Path = path;
            Operation = operation;
            Answer = answer;
            _segments = path.Split('/');
        }

        /// <summary>The HTTP method, in capitals.</summary>
        public string Method { get; }

        /// <summary>
        /// The path below the contract's base path, with its parameters in braces.
        /// </summary>
        public string Path { get; }

        /// <summary>The name of the operation.</summary>
        public string Operation { get; }

        /// <summary>
        /// Answers a call: the object to send as JSON, or null for none. Throws Refused.
        /// </summary>
        public Func<Call, CancellationToken, Task<object>> Answer { get; }

        /// <summary>
        /// The values of the path's parameters, decoded; null when a path is not this route's.
        /// </summary>
        /// <param name="path">A path below the contract's base path, still encoded.</param>
        public IDictionary<string, string> Match(string path)
        {
            var given = path.Split('/');
            if (given.Length != _segments.Length)
            {
                return null;
            }
            var values = new Dictionary<string, string>();
            for (var i = 0; i < given.Length; i++)
            {
                if (_segments[i].StartsWith("{", StringComparison.Ordinal))
                {
                    values[_segments[i].Trim('{', '}')] = Uri.UnescapeDataString(given[i]);
                }
                else if (_segments[i] != given[i])
                {
                    return null;
                }
            }
            return values;
        }
    }
}
