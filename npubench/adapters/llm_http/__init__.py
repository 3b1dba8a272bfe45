"""OpenAI-compatible servers of language models, over HTTP: `options` and `requests` say what is asked, `sse` reads the
answers, `client` holds the connections, `plain` asks single questions, `adapter` is what npubench finds.
"""
