"""What we own: the catalog (Postgres), blobs (S3 or a folder), secrets."""
