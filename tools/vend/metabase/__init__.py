"""What is kept in Metabase: content (declared), client (HTTP), push (compared and written), embed (signed)."""
