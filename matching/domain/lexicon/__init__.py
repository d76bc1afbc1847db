"""The one vocabulary: which words of people are known, and which known word each way of writing
means."""
