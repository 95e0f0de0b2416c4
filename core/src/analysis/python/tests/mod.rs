mod digests;
mod effects;
mod oracle;
mod reads;
mod robust;
