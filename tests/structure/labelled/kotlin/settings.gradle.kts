rootProject.name = "lending"
enableFeaturePreview("TYPESAFE_PROJECT_ACCESSORS")
include(":core", ":shared", ":app", ":legacy")
