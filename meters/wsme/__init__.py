"""What the doors share whose originals were made with WSME: aodh's, ceilometer's, panko's.

One form of errors, arguments read in WSME's words, the simple and the complex query.
"""
