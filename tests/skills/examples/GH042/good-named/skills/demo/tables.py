import columns
