"""What a poll and a scrape cost, as ratios to what plain libraries need for the same in the same run."""
