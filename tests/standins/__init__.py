"""Stand-ins for vendors' SDKs and servers, built from their documented APIs. They show that an adapter keeps to an API;
they are never called verified.
"""
