using System;

namespace Flexagora.Server
{
    /// <summary>
    /// A call that breaks the contract, or that the present state does not allow.
    /// </summary>
    public class Refused : Exception
    {
        /// <param name="status">The HTTP status to answer with.</param>
        /// <param name="title">The title of the problem document.</param>
        /// <param name="detail">What is wrong, in a sentence.</param>
        /// <param name="pointer">Which field breaks a rule; null when none does.</param>
        /// <param name="rule">Which rule it breaks; null when none is broken.</param>
        public Refused(
            int status, string title, string detail, string pointer = null, string rule = null)
            : base(detail)
        {
            Status = status;
            Title = title;
            Pointer = pointer;
            Rule = rule;
        }

        /// <summary>The HTTP status to answer with.</summary>
        public int Status { get; }

        /// <summary>The title of the problem document.</summary>
        public string Title { get; }

        /// <summary>A JSON pointer into the body, or the name of a parameter; or null.</summary>
        public string Pointer { get; }

        /// <summary>The rule that is broken, such as <c>required</c>; or null.</summary>
        public string Rule { get; }
    }
}
